//! A province that does not exist: its people and their doses, by a seed.

use disclosure::{FactsBuilder, Key, Person, Place};

/// Numbers that look random and are the same for the same seed (`SplitMix64`).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 up to, not including, 1.
    pub fn unit(&mut self) -> f64 {
        let bits = u32::try_from(self.next() >> 32).unwrap_or(0);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }

    /// Around 0, mostly within 1 (twelve uniform ones added up).
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// A vaccine of the schedule: name, days of age of its doses, share of people who take part.
struct Schedule {
    vaccine: &'static str,
    days: &'static [i32],
    coverage: f64,
}

const SCHEDULE: [Schedule; 18] = [
    Schedule { vaccine: "DTaP-IPV-Hib", days: &[60, 120, 180, 545], coverage: 0.92 },
    Schedule { vaccine: "Pneu-C", days: &[60, 120, 365], coverage: 0.91 },
    Schedule { vaccine: "Rotavirus", days: &[60, 120, 180], coverage: 0.86 },
    Schedule { vaccine: "Men-C", days: &[365], coverage: 0.90 },
    Schedule { vaccine: "MMR", days: &[365, 1640], coverage: 0.93 },
    Schedule { vaccine: "Varicella", days: &[455, 1640], coverage: 0.88 },
    Schedule { vaccine: "MMRV", days: &[1640], coverage: 0.70 },
    Schedule { vaccine: "Tdap-IPV", days: &[1640], coverage: 0.85 },
    Schedule { vaccine: "Hepatitis B", days: &[4400, 4580], coverage: 0.82 },
    Schedule { vaccine: "HPV", days: &[4400, 4580], coverage: 0.78 },
    Schedule { vaccine: "Men-C-ACYW", days: &[4400], coverage: 0.83 },
    Schedule { vaccine: "Tdap", days: &[5300, 9000, 12600, 16300, 20000], coverage: 0.74 },
    Schedule { vaccine: "Td", days: &[10000, 13650, 17300], coverage: 0.70 },
    Schedule { vaccine: "Influenza", days: &[240, 600, 980, 23800, 24170], coverage: 0.72 },
    Schedule { vaccine: "COVID-19", days: &[6600, 6690, 6900, 18300, 18400], coverage: 0.80 },
    Schedule { vaccine: "Zoster", days: &[18300, 18450], coverage: 0.71 },
    Schedule { vaccine: "Pneu-P-23", days: &[23800], coverage: 0.75 },
    Schedule { vaccine: "RSV", days: &[27400], coverage: 0.70 },
];

const AGES: [(i32, &str); 10] = [
    (1, "Under 1 year"),
    (2, "1 year"),
    (7, "2–6 years"),
    (12, "7–11 years"),
    (17, "12–16 years"),
    (30, "17–29 years"),
    (50, "30–49 years"),
    (65, "50–64 years"),
    (80, "65–79 years"),
    (200, "80 years and over"),
];

/// The last year of which there are doses; the first is thirty years before.
pub const THIS_YEAR: i32 = 2026;

/// The facts of so many people.
pub fn province(people: u64, seed: u64) -> FactsBuilder {
    let mut facts = FactsBuilder::new();
    each_fact(people, seed, |key, person| {
        let place = facts.place(Place::Cell(key));
        facts.add(place, person, 1);
    });
    facts
}

/// The doses of so many people, one after the other.
pub fn each_fact(people: u64, seed: u64, mut act: impl FnMut(Key, Person)) {
    let mut chance = Chance::new(seed);
    for person in 0..people {
        let born = f64::from(THIS_YEAR) + 0.5 - 85.0 * chance.unit();
        let sex = match chance.unit() {
            x if x < 0.490 => "Female",
            x if x < 0.985 => "Male",
            x if x < 0.990 => "Other",
            _ => "Unknown",
        };
        for Schedule { vaccine, days, coverage } in &SCHEDULE {
            let mut taken = 0;
            for day in *days {
                if chance.unit() > *coverage {
                    continue;
                }
                let delay = 30.0 * (0.9 * chance.normal()).exp();
                let age = (f64::from(*day) + delay) / 365.25;
                let year = (born + age).floor();
                if year < f64::from(THIS_YEAR - 30) || born + age > f64::from(THIS_YEAR) + 0.5 {
                    continue;
                }
                taken += 1;
                let age = AGES
                    .iter()
                    .find(|(until, _)| age < f64::from(*until))
                    .map_or("Unknown", |(_, name)| name);
                let year = (THIS_YEAR - 30..=THIS_YEAR).find(|y| (f64::from(*y) - year).abs() < 0.5);
                let mut key = Key {
                    vaccine: (*vaccine).to_owned(),
                    year,
                    age: age.to_owned(),
                    sex: sex.to_owned(),
                    dose: taken.to_string(),
                };
                if chance.unit() < 0.003 {
                    key.year = None;
                    "Unknown".clone_into(&mut key.age);
                }
                if chance.unit() < 0.01 {
                    "Unknown".clone_into(&mut key.dose);
                }
                act(key, person);
            }
        }
    }
}
