//! What all parts of a world share: its time, its chances, and the places where its processes stand still or die.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Clock, FixedClock, TransferId};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{mpsc, oneshot};

use crate::mix::Mix;
use crate::sabotage::Sabotage;

tokio::task_local! {
    /// The transfer that a process works on.
    pub static AT_WORK_FOR: TransferId;
}

/// Calls that go on although their caller has gone.
pub type GoesOn = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A process that stands still for this long, and how it is woken.
pub struct Standing {
    /// For how long.
    pub for_how_long: Duration,
    /// Wakes it.
    pub wake: oneshot::Sender<()>,
}

/// What ends a process on the spot: the payload of its unwinding.
pub struct Died;

/// Shared by all parts of a world. Cheap to clone.
#[derive(Clone)]
pub struct Shared {
    inner: Arc<Inner>,
}

struct Inner {
    clock: FixedClock,
    draws: Mutex<StdRng>,
    tally: Mutex<BTreeMap<&'static str, u64>>,
    standing: mpsc::UnboundedSender<Standing>,
    goes_on: Mutex<Vec<GoesOn>>,
    struck: Mutex<BTreeMap<TransferId, u64>>,
    mix: Mix,
    sabotage: Option<Sabotage>,
    is_calm: AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// Makes what a world of this seed shares, and the place where its processes are heard of that stand still.
    pub fn new(seed: u64, mix: Mix, sabotage: Option<Sabotage>) -> (Self, mpsc::UnboundedReceiver<Standing>) {
        let (standing, heard) = mpsc::unbounded_channel();
        let inner = Inner {
            clock: FixedClock::at(begin()),
            draws: Mutex::new(StdRng::seed_from_u64(seed)),
            tally: Mutex::default(),
            standing,
            goes_on: Mutex::default(),
            struck: Mutex::default(),
            mix,
            sabotage,
            is_calm: AtomicBool::new(false),
        };
        (Self { inner: Arc::new(inner) }, heard)
    }

    /// Returns the clock that everything in the world goes by.
    pub fn clock(&self) -> FixedClock {
        self.inner.clock.clone()
    }

    /// Returns the world's time.
    pub fn now(&self) -> DateTime<Utc> {
        self.inner.clock.now()
    }

    /// Moves the time on.
    pub fn move_to(&self, at: DateTime<Utc>) {
        let by = at - self.now();
        if by > TimeDelta::zero() {
            self.inner.clock.advance(by);
        }
    }

    /// Draws a number in 0..1.
    pub fn draw(&self) -> f64 {
        lock(&self.inner.draws).random()
    }

    /// Draws a whole number below `below`, which is at least 1.
    pub fn draw_below(&self, below: usize) -> usize {
        lock(&self.inner.draws).random_range(0..below.max(1))
    }

    /// Draws whether something of this chance happens.
    pub fn happens(&self, chance: f64) -> bool {
        self.draw() < chance
    }

    /// Returns the mix of faults.
    pub fn mix(&self) -> Mix {
        self.inner.mix
    }

    /// Tells whether the judge is being tested with this.
    pub fn is_sabotaged(&self, by: Sabotage) -> bool {
        self.inner.sabotage == Some(by)
    }

    /// Ends all faults.
    pub fn calm_down(&self) {
        self.inner.is_calm.store(true, Ordering::Relaxed);
    }

    /// Tells whether faults have ended.
    pub fn is_calm(&self) -> bool {
        self.inner.is_calm.load(Ordering::Relaxed)
    }

    /// Counts that something has happened.
    pub fn count(&self, what: &'static str) {
        *lock(&self.inner.tally).entry(what).or_default() += 1;
    }

    /// Notes that a fault has struck what is done for a transfer: without an id, for that of the process at work.
    pub fn strike(&self, id: Option<TransferId>) {
        let at_work = || AT_WORK_FOR.try_with(|id| *id).ok();
        if let Some(id) = id.or_else(at_work) {
            *lock(&self.inner.struck).entry(id).or_default() += 1;
        }
    }

    /// Returns how many faults have struck a transfer.
    pub fn strikes(&self, id: TransferId) -> u64 {
        lock(&self.inner.struck).get(&id).copied().unwrap_or_default()
    }

    /// Returns what has happened, how often.
    pub fn tally(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.inner.tally).clone()
    }

    /// Lets the process stand still for so many seconds of the world's time; others go on meanwhile.
    pub async fn stand(&self, seconds: f64) {
        let (wake, woken) = oneshot::channel();
        let standing = Standing { for_how_long: Duration::from_secs_f64(seconds), wake };
        if self.inner.standing.send(standing).is_ok() {
            let _ = woken.await; // a world that ends wakes nobody
        }
    }

    /// The boundary before or after a call that leaves the process: it may die here, or stand still for longer than
    /// any lease.
    pub async fn boundary(&self, dies: &'static str) {
        if self.is_calm() {
            return;
        }
        let draw = self.draw();
        let chance = 0.0015 * self.mix().factor();
        if draw < chance {
            self.count(dies);
            self.strike(None);
            // Unwinding drops what the process had in its hands and runs none of its error handling.
            std::panic::resume_unwind(Box::new(Died));
        }
        if draw < chance * 1.5 {
            self.strike(None);
            self.count("processes that stood still for longer than their lease");
            self.stand(45.0 + 60.0 * self.draw()).await;
        }
    }

    /// Lets a call go on whose caller has gone.
    pub fn let_go_on(&self, call: GoesOn) {
        lock(&self.inner.goes_on).push(call);
    }

    /// Takes the calls that go on although their caller has gone.
    pub fn going_on(&self) -> Vec<GoesOn> {
        std::mem::take(&mut lock(&self.inner.goes_on))
    }
}

/// Worlds begin now: certificates are made by the computer's clock. Nothing depends on the moment.
fn begin() -> DateTime<Utc> {
    let now = domain::SystemClock.now();
    DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
