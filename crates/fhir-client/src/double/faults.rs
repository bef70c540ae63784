//! The script of faults: which answers break, how, and how often.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::StatusCode;

use crate::transport::FhirRequest;

/// What is answered instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This status, with an OperationOutcome. A 409 means that two writers have met.
    Status(StatusCode),
    /// 200 with something that is no FHIR.
    Garbage,
    /// The first half of the answer, then the connection ends.
    HalfABody,
    /// The connection ends without an answer.
    HangUp,
    /// The connection stays open and nothing comes.
    Silence,
    /// The right answer, late.
    Late(Duration),
}

/// A broken answer, and whether the request was carried out all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Whether what was asked has been done.
    pub is_applied: bool,
    /// What the caller sees.
    pub answer: Answer,
}

impl Fault {
    /// Makes a fault that strikes before anything is done.
    pub fn before(answer: Answer) -> Self {
        Self { is_applied: false, answer }
    }

    /// Makes a fault that strikes when everything is done: the caller cannot know it.
    pub fn after(answer: Answer) -> Self {
        Self { is_applied: true, answer }
    }
}

type Predicate = Box<dyn Fn(&FhirRequest) -> bool + Send>;

/// Which requests a fault strikes.
pub struct FaultRule {
    fault: Fault,
    fits: Predicate,
    chance: f64,
    left: Option<u64>,
}

impl FaultRule {
    /// Makes a rule by which every request meets the fault.
    pub fn new(fault: Fault) -> Self {
        Self { fault, fits: Box::new(|_| true), chance: 1.0, left: None }
    }

    /// Strikes only requests of which `fits` is true.
    #[must_use]
    pub fn on(mut self, fits: impl Fn(&FhirRequest) -> bool + Send + 'static) -> Self {
        self.fits = Box::new(fits);
        self
    }

    /// Strikes only Bundles (reads by batch, and transactions).
    #[must_use]
    pub fn on_transactions(self) -> Self {
        self.on(|request| {
            let is_transaction = |window: &[u8]| window == br#""transaction""#;
            request.path.is_empty() && request.body.windows(13).any(is_transaction)
        })
    }

    /// Strikes only with this probability, 0 to 1.
    #[must_use]
    pub fn with_chance(mut self, chance: f64) -> Self {
        self.chance = chance;
        self
    }

    /// Strikes at most so many times.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.left = Some(times);
        self
    }
}

/// All rules, and where their draws come from.
pub(super) struct Faults {
    rules: Vec<FaultRule>,
    draws: StdRng,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self { rules: Vec::new(), draws: StdRng::seed_from_u64(seed) }
    }

    pub(super) fn add(&mut self, rule: FaultRule) {
        self.rules.push(rule);
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(super) fn draw(&mut self, request: &FhirRequest) -> Option<Fault> {
        for rule in &mut self.rules {
            let strikes = rule.left != Some(0)
                && (rule.fits)(request)
                && (rule.chance >= 1.0 || self.draws.random_bool(rule.chance.max(0.0)));
            if strikes {
                rule.left = rule.left.map(|left| left - 1);
                return Some(rule.fault.clone());
            }
        }
        None
    }
}
