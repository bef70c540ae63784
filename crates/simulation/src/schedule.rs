//! What happens when, and which processes are at work: one at a time, so that a seed leads to the same world again.

use std::cell::RefCell;
use std::collections::{BTreeMap, BinaryHeap};
use std::future::Future;
use std::time::Duration;

use anyhow::{Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::shared::{Shared, Standing};

/// In the computer's own time: longer than any statement may take.
pub const HANGS: Duration = Duration::from_mins(2);

thread_local! {
    static DRAWS: RefCell<StdRng> = RefCell::new(StdRng::seed_from_u64(0));
}

/// Draws what spreads attempts; each world runs on one thread.
pub fn draw_of_thread() -> f64 {
    DRAWS.with_borrow_mut(Rng::random)
}

/// A process at work, and the event it was started for.
struct Process<E, T> {
    work: JoinHandle<T>,
    event: Option<E>,
}

enum Due<E> {
    Event(E),
    Wake(u64, oneshot::Sender<()>),
}

struct Entry<E> {
    at: DateTime<Utc>,
    number: u64,
    due: Due<E>,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl<E> Eq for Entry<E> {}
impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.number).cmp(&(self.at, self.number)) // the earliest is the greatest
    }
}

/// What is due next.
pub enum Next<E, T> {
    /// An event of the scenario.
    Event(E),
    /// A process has ended: the event it was started for, and how; `None` where it died.
    Ended(Option<E>, Option<T>),
    /// Nothing is due any more.
    Nothing,
}

/// The order of events, and the processes.
pub struct Schedule<E, T> {
    shared: Shared,
    heap: BinaryHeap<Entry<E>>,
    numbers: u64,
    processes: BTreeMap<u64, Process<E, T>>,
    standing: mpsc::UnboundedReceiver<Standing>,
    ended: Vec<(Option<E>, Option<T>)>,
}

impl<E, T: Send + 'static> Schedule<E, T> {
    /// Makes an empty schedule.
    pub fn new(shared: Shared, standing: mpsc::UnboundedReceiver<Standing>, seed: u64) -> Self {
        DRAWS.with_borrow_mut(|draws| *draws = StdRng::seed_from_u64(seed ^ 0x5eed));
        let (heap, processes) = (BinaryHeap::new(), BTreeMap::new());
        Self { shared, heap, numbers: 0, processes, standing, ended: Vec::new() }
    }

    /// Lets an event happen after this time.
    pub fn after(&mut self, delay: Duration, event: E) {
        self.push(delay, Due::Event(event));
    }

    fn push(&mut self, delay: Duration, due: Due<E>) {
        self.numbers += 1;
        let at = self.shared.now() + TimeDelta::from_std(delay).unwrap_or(TimeDelta::days(3650));
        self.heap.push(Entry { at, number: self.numbers, due });
    }

    /// Starts a process for an event, or for none, and lets it work until it ends or stands still.
    pub async fn start(
        &mut self,
        event: Option<E>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<()> {
        self.numbers += 1;
        let number = self.numbers;
        self.processes.insert(number, Process { work: tokio::spawn(work), event });
        self.let_work(number).await
    }

    /// Moves the time on to what is due next.
    pub async fn next(&mut self) -> Result<Next<E, T>> {
        loop {
            if let Some((event, outcome)) = self.ended.pop() {
                return Ok(Next::Ended(event, outcome));
            }
            let Some(entry) = self.heap.pop() else { return Ok(Next::Nothing) };
            self.shared.move_to(entry.at);
            match entry.due {
                Due::Event(event) => return Ok(Next::Event(event)),
                Due::Wake(number, wake) => {
                    if wake.send(()).is_ok() {
                        self.let_work(number).await?;
                    }
                }
            }
        }
    }

    async fn let_work(&mut self, number: u64) -> Result<()> {
        let Some(process) = self.processes.get_mut(&number) else { return Ok(()) };
        tokio::select! {
            biased;
            outcome = &mut process.work => {
                let event = process.event.take();
                self.processes.remove(&number);
                let outcome = match outcome {
                    Ok(outcome) => Some(outcome),
                    Err(error) if error.is_panic() => {
                        let payload = error.into_panic();
                        if !payload.is::<crate::shared::Died>() {
                            bail!("a step panicked");
                        }
                        None
                    }
                    Err(_) => None,
                };
                self.ended.push((event, outcome));
            }
            standing = self.standing.recv() => {
                if let Some(Standing { for_how_long, wake }) = standing {
                    self.push(for_how_long, Due::Wake(number, wake));
                }
            }
            () = tokio::time::sleep(HANGS) => bail!("a step neither ends nor stands still: the world hangs"),
        }
        Ok(())
    }
}
