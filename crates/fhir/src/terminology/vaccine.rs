//! One vaccine code and what is known of it.

/// A code of the National Vaccine Catalogue or of CVX.
#[derive(Debug, PartialEq, Eq)]
pub struct Vaccine {
    /// The code, in the Catalogue a SNOMED CT one.
    pub code: &'static str,
    /// The English name.
    pub en: &'static str,
    /// The French name; empty for CVX, which has none.
    pub fr: &'static str,
    /// SNOMED CT codes of the diseases it protects against; empty when nobody has said.
    pub diseases: &'static [&'static str],
    /// CVX vaccine groups.
    pub groups: &'static [&'static str],
    /// What kind of concept it is.
    pub kind: Kind,
    /// Whether it gives antibodies rather than making the body form them: no vaccine dose.
    pub is_passive: bool,
}

/// What kind of concept a code names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A kind of vaccine. The Catalogue's list does not mark these: it is what is neither of the others.
    Generic,
    /// A product of a market authorization holder.
    Tradename,
    /// An antigen, toxoid or antibody: what is in a product, no product itself.
    Substance,
}
