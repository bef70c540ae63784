//! A table of very many cells, for measuring.

use disclosure::{FactsBuilder, Key, Place, PlaceId};

use crate::province::Chance;

/// So many facts in about 100,000 cells, of which every nth is small; each fact has a person of its own.
pub fn wide(facts: u64, nth: u64) -> FactsBuilder {
    let mut chance = Chance::new(9);
    let mut builder = FactsBuilder::new();
    let mut places: Vec<PlaceId> = Vec::new();
    for vaccine in 0..18 {
        for (year, age) in (0..31).flat_map(|year| (0..11).map(move |age| (year, age))) {
            for (sex, dose) in
                ["F", "M", "O", "U"].into_iter().flat_map(|sex| (0..6).map(move |dose| (sex, dose)))
            {
                if chance.next() % 100 < 32 {
                    continue; // a third of the combinations does not occur
                }
                places.push(builder.place(Place::Cell(Key {
                    vaccine: format!("vaccine {vaccine}"),
                    year: Some(1996 + year),
                    age: format!("age {age}"),
                    sex: sex.to_owned(),
                    dose: dose.to_string(),
                })));
            }
        }
    }
    let cells = places.len() as u64;
    let at = |number: u64| places[usize::try_from(number % cells).unwrap_or(0)];
    for person in 0..cells {
        builder.add(at(person), person, 1 + u32::try_from(chance.next() % 3).unwrap_or(0));
    }
    for person in cells..facts {
        let cell = chance.next() % cells;
        let cell = if cell.is_multiple_of(nth) { cell + 1 } else { cell };
        builder.add(at(cell), person, 1);
    }
    builder
}
