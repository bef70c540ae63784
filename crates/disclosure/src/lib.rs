//! Statistical disclosure control: facts by cell in, tables out that give no small group away.
//!
//! The tables are the finest one (year, age group, sex, vaccine, dose) and fixed sums of it: by year, age group, sex and
//! dose, each with the vaccine, by vaccine, and of all. A number is *sensitive* if it stands for 1 to k−1 persons or
//! doses. Sensitive numbers are hidden, and others with them, until nothing that is shown bounds a sensitive number
//! below k; each has a *witness*, another table with the same shown numbers in which it is at least k.
//!
//! Everything here is pure: no I/O, no clock, no chance. The same facts give the same tables. The crate decides what is
//! hidden; it knows nothing of vaccines, of where facts are stored, or of who reads the tables. It does not protect
//! against what follows from the method itself (of a few hidden cells at least one is small), nor against people in
//! small cells who share what they know. `docs/disclosure.md` explains the method.
//!
//! # What the caller keeps
//! Releases come in a [`Series`]. What is hidden stays hidden, and changes wait until they can be published, so the
//! published tables are those of a *basis* that follows the facts with a delay. All changes of a place are published at
//! once. The caller therefore stores, for each place, who has how many doses in the basis, and after a release replaces
//! what it stored for the places named in [`Next::published`] by what is there now (two statements of SQL). The series
//! itself holds no basis: it is the pattern with its proofs, and which waiting changes, by pseudonym, are counted. It and
//! the new basis belong into the transaction that stores the release. A person's pseudonym is 64 bits of the caller's choice;
//! two people who share one count as one, which hides more, never less.
//!
//! ```
//! use disclosure::{FactsBuilder, Key, Place, Policy, Series};
//!
//! let facts = |girls: u64, boys: u64| {
//!     let mut facts = FactsBuilder::new();
//!     for (sex, people) in [("Female", 0..girls), ("Male", 1_000..1_000 + boys)] {
//!         let place = facts.place(Place::Cell(Key {
//!             vaccine: "MMR".to_owned(),
//!             year: Some(2026),
//!             age: "1 year".to_owned(),
//!             sex: sex.to_owned(),
//!             dose: "1".to_owned(),
//!         }));
//!         for person in people {
//!             facts.add(place, person, 1);
//!         }
//!     }
//!     facts.build()
//! };
//! let basis = facts(20, 30);
//! let (series, first) = Series::first(&basis, Policy::default());
//! assert_eq!(first.total, Some(50));
//!
//! // one girl more: she waits
//! let next = series.next(&basis, &facts(21, 30))?;
//! assert_eq!(next.release.total, Some(50));
//! assert!(next.published.is_empty());
//!
//! // six girls more are published, together
//! let next = next.series.next(&basis, &facts(26, 30))?;
//! assert_eq!(next.release.total, Some(56));
//! assert_eq!(next.published.len(), 1);
//! # Ok::<(), disclosure::ForeignBasis>(())
//! ```

mod cell;
mod changes;
mod check;
mod complement;
mod facts;
mod hold;
mod index;
mod moves;
mod parts;
mod pattern;
mod policy;
mod primary;
mod prune;
mod release;
mod series;
mod table;
mod thin;
mod waiting;
mod witness;

pub use cell::{Axis, Key, Label, Place};
pub use facts::{Entry, Facts, FactsBuilder, Person, PlaceId};
pub use pattern::{Margin, Number, Pattern, Proof};
pub use policy::{InvalidThreshold, Policy};
pub use release::{CellRow, Count, Excluded, MarginRow, MarginTable, Release};
pub use series::{ForeignBasis, Next, Series};
pub use witness::{Changes, Witness};
