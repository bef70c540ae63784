//! What people, clinics and operators do in a world: drawn from its seed before it begins.

use std::time::Duration;

use domain::{Jurisdiction, TransferId};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Builder;

use crate::people::Person;

/// A request comes about so often.
const EVERY: Duration = Duration::from_secs(5);
/// How long requests keep coming at least.
const SHORTEST: Duration = Duration::from_mins(5);

/// Somebody wants a record to be sent.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The key of the request.
    pub id: TransferId,
    /// Whose record.
    pub person: Person,
    /// Where it is.
    pub from: usize,
    /// Where it shall go.
    pub to: usize,
}

/// Something that happens.
#[derive(Debug, Clone)]
pub enum Event {
    /// A transfer is requested; `true` where the same request comes twice.
    Request(Wanted, bool),
    /// The person goes back where they came from, after this transfer.
    Return(Wanted, TransferId),
    /// A clinic adds a dose to a record, or notes something about one.
    Edit(Person, usize),
    /// An operator calls a transfer off.
    Cancel(Wanted),
    /// An operator wants every dead or waiting transfer of a province to be tried now.
    RetryAll(usize),
    /// An operator pauses the lane to a province.
    Pause(usize, usize),
    /// And opens it again.
    Resume(usize, usize),
    /// The queue has an id for a province's worker; of this life of the queue.
    Work(usize, TransferId, u64),
    /// What services do every few seconds.
    Tick(usize),
    /// The queue of a province loses everything.
    LoseQueue(usize),
    /// Both services of a province get new certificates.
    Renew(usize),
    /// The network brings a delivery of the past once more.
    BringAgain,
    /// A province rejects everything, or nobody does.
    Away(Option<usize>),
    /// All faults end.
    Calm,
}

/// What a world begins with.
pub struct Scenario {
    /// Who is recorded where, with doses of which numbers; the flag says whether the record is one that nobody takes.
    pub records: Vec<(Person, usize, std::ops::Range<usize>, bool)>,
    /// What happens, when.
    pub events: Vec<(Duration, Event)>,
}

/// Draws a scenario of so many requests among `provinces` provinces.
pub fn draw(seed: u64, requests: usize, provinces: usize, is_one_away: bool) -> Scenario {
    let mut draws = StdRng::seed_from_u64(seed);
    let mut scenario = Scenario { records: Vec::new(), events: Vec::new() };
    let busy = (EVERY * u32::try_from(requests).unwrap_or(u32::MAX)).max(SHORTEST);
    let mut left = requests;
    let mut person = 0;
    while left > 0 {
        person += 1;
        left -= scenario.add(&mut draws, Person(person), provinces, (left, busy));
    }
    let at = |draws: &mut StdRng| busy.mul_f64(draws.random());
    for _ in 0..requests / 50 {
        scenario.events.push((at(&mut draws), Event::BringAgain));
    }
    for province in 0..provinces {
        for _ in 0..3 {
            scenario.events.push((at(&mut draws), Event::Renew(province)));
            scenario.events.push((at(&mut draws), Event::LoseQueue(province)));
            scenario.events.push((at(&mut draws), Event::RetryAll(province)));
        }
        let to = (province + 1) % provinces;
        let begin = at(&mut draws);
        scenario.events.push((begin, Event::Pause(province, to)));
        scenario.events.push((begin + Duration::from_mins(5), Event::Resume(province, to)));
        scenario.events.push((Duration::ZERO, Event::Tick(province)));
    }
    if is_one_away {
        let away = draws.random_range(0..provinces);
        scenario.events.push((busy / 4, Event::Away(Some(away))));
        scenario.events.push((busy * 3 / 4, Event::Away(None)));
    }
    scenario.events.push((busy + Duration::from_mins(5), Event::Calm));
    scenario
}

impl Scenario {
    /// Adds somebody with what happens to their record; returns how many requests that makes.
    fn add(
        &mut self,
        draws: &mut StdRng,
        person: Person,
        provinces: usize,
        (left, busy): (usize, Duration),
    ) -> usize {
        let from = draws.random_range(0..provinces);
        let to = (from + draws.random_range(1..provinces)) % provinces;
        let at = busy.mul_f64(draws.random());
        let doses = draws.random_range(1..5);
        let minutes = |draws: &mut StdRng, least: u64, most: u64| {
            Duration::from_secs(draws.random_range(least * 60..most * 60))
        };
        let wanted = |draws: &mut StdRng, from, to| Wanted { id: id(draws), person, from, to };
        let first = wanted(draws, from, to);
        let kind = draws.random_range(0..100);
        let is_impossible = kind >= 97;
        self.records.push((person, from, 0..doses, is_impossible));
        self.events.push((at, Event::Request(first.clone(), (60..64).contains(&kind))));
        match kind {
            // A clinic goes on recording while the transfer is on its way.
            0..15 => {
                for _ in 0..2 {
                    let later = at + Duration::from_secs(draws.random_range(0..90));
                    self.events.push((later, Event::Edit(person, from)));
                }
                1
            }
            // The destination knows the person, and one of the events.
            15..25 => {
                self.records.push((person, to, doses - 1..doses + 1, false));
                1
            }
            // The person comes back, with a dose more.
            25..40 if left >= 2 => {
                let after = first.id;
                let back = wanted(draws, to, from);
                self.events.push((at + minutes(draws, 2, 20), Event::Return(back, after)));
                2
            }
            // Two provinces send the same person at once.
            40..50 if left >= 2 => {
                let other = (0..provinces).find(|n| *n != from && *n != to).unwrap_or(from);
                self.records.push((person, other, doses - 1..doses + 2, false));
                let second = wanted(draws, other, to);
                let delay = Duration::from_secs(draws.random_range(0..20));
                self.events.push((at + delay, Event::Request(second, false)));
                2
            }
            50..55 => {
                let delay = Duration::from_secs(draws.random_range(0..8));
                self.events.push((at + delay, Event::Cancel(first)));
                1
            }
            _ => 1,
        }
    }
}

/// Returns the code of the nth province; any would do.
pub fn codes() -> Vec<Jurisdiction> {
    ["ON", "BC", "QC", "NS"].iter().filter_map(|code| Jurisdiction::parse(code).ok()).collect()
}

fn id(draws: &mut StdRng) -> TransferId {
    let uuid = Builder::from_random_bytes(draws.random()).into_uuid();
    TransferId::parse(&uuid.to_string()).unwrap_or_else(|_| TransferId::generate())
}
