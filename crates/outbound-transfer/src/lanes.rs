//! The queue's side: one lane for each destination of the directory, fed from the outbox and by the sweep.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use domain::TransferId;
use peers::{Directory, Role};
use service_kit::{Chain, Lifecycle};
use tokio::sync::Notify;
use work_queue::{Delivery, Queue};

use crate::dispatch::{Dispatcher, Next};
use crate::store::{Enqueued, Store};

/// The most ids that go to the queue at once.
const BATCH: i64 = 500;
/// How often the outbox is looked at without being told.
const OUTBOX_POLL: Duration = Duration::from_secs(1);

/// What feeds and reads the lanes.
#[derive(Clone)]
pub struct Lanes {
    /// The queue.
    pub queue: Queue,
    /// Works on what comes out of it.
    pub dispatcher: Dispatcher,
    /// How many transfers of one lane run at once.
    pub concurrency: usize,
    /// When an id is put on the queue again.
    pub sweep_after: Duration,
    /// Told when the outbox has something new.
    pub outbox_filled: Arc<Notify>,
}

impl Lanes {
    /// Starts everything; a lane is opened for each destination that the directory has or gets.
    pub fn start(self, directory: &Directory, lifecycle: &Lifecycle) {
        let (publish, sweep, open) = (self.clone(), self.clone(), self);
        lifecycle.spawn_again("outbox", move || publish.clone().publish());
        lifecycle.spawn_again("sweep", move || sweep.clone().sweep());
        let (directory, all) = (directory.clone(), lifecycle.clone());
        lifecycle.spawn("lanes", async move { open.open(directory, all).await });
    }

    fn store(&self) -> &Store {
        &self.dispatcher.worker.store
    }

    async fn publish(self) {
        loop {
            let queue = &self.queue;
            match self.store().publish_outbox(BATCH, |lanes| put_on(queue, lanes)).await {
                Ok(published) if published > 0 => continue,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "the outbox could not be read");
                }
            }
            let _ = tokio::time::timeout(OUTBOX_POLL, self.outbox_filled.notified()).await;
        }
    }

    async fn sweep(self) {
        let sweep_after = TimeDelta::from_std(self.sweep_after).unwrap_or(TimeDelta::minutes(1));
        let mut age = TimeDelta::zero(); // at the start, whatever is due: an earlier process may have had it
        loop {
            let now = self.dispatcher.worker.now();
            match self.store().sweep(now - age, now, BATCH * 20).await {
                Ok(lanes) => self.put_back(lanes).await,
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "the sweep has failed");
                }
            }
            age = sweep_after;
            tokio::time::sleep(self.sweep_after / 2).await;
        }
    }

    /// Puts back what a lane has lost; a lane with an entry for each transfer that is due has lost nothing. Also
    /// those in a worker's hands have one: without them, a busy lane would hide what it has lost.
    async fn put_back(&self, lanes: Enqueued) {
        let due = self.store().due(self.dispatcher.worker.now()).await.unwrap_or_default();
        for (lane, ids) in lanes {
            let waiting = self.queue.depth(&lane).await.map(|depth| depth.stream);
            if due.get(&lane).is_some_and(|&due| waiting.is_ok_and(|waiting| waiting >= due)) {
                continue;
            }
            tracing::info!(
                lane,
                count = ids.len(),
                "transfers that wait for a worker were put on the queue again"
            );
            if let Err(error) = self.queue.add_many(&lane, &ids).await {
                tracing::error!(error = %Chain(&error), "the queue does not answer");
            }
        }
    }

    async fn open(self, directory: Directory, lifecycle: Lifecycle) {
        let mut changed = directory.changed();
        let mut opened = BTreeSet::new();
        // A destination that has left the directory still has its lane while something is on its way there.
        let destinations = loop {
            match self.store().unfinished_destinations().await {
                Ok(destinations) => break destinations,
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "unfinished transfers cannot be looked for");
                }
            }
            if lifecycle.stop.run_until_cancelled(tokio::time::sleep(OUTBOX_POLL)).await.is_none() {
                return;
            }
        };
        for code in destinations {
            self.open_lane(&mut opened, &lifecycle, code.to_ascii_lowercase());
        }
        loop {
            for entry in directory.all() {
                if entry.role == Role::Pt && entry.code != self.dispatcher.worker.here {
                    self.open_lane(&mut opened, &lifecycle, entry.code.lower());
                }
            }
            tokio::select! {
                () = lifecycle.stop.cancelled() => return,
                news = changed.changed() => if news.is_err() { return lifecycle.stop.cancelled().await },
            }
        }
    }

    fn open_lane(&self, opened: &mut BTreeSet<String>, lifecycle: &Lifecycle, lane: String) {
        if !opened.insert(lane.clone()) {
            return;
        }
        tracing::info!(lane, "a lane is open");
        let dispatcher = self.dispatcher.clone();
        let (queue, stop, concurrency) = (self.queue.clone(), lifecycle.stop.clone(), self.concurrency);
        let silences = lifecycle.clone();
        lifecycle.spawn("lane", async move {
            let handle = move |delivery| {
                let (handling, silence) = (handle(dispatcher.clone(), delivery), silences.silence());
                async move {
                    tokio::select! {
                        biased;
                        () = handling => {}
                        () = silence => {} // as if the worker had died: the entry is pending, and comes again
                    }
                }
            };
            work_queue::run_lane(queue, lane, concurrency, handle, stop).await;
        });
    }
}

async fn put_on(queue: &Queue, lanes: Enqueued) -> Result<(), work_queue::QueueError> {
    for (lane, ids) in lanes {
        queue.add_many(&lane, &ids).await?;
    }
    Ok(())
}

async fn handle(dispatcher: Dispatcher, delivery: Delivery) {
    let settled = match TransferId::parse(delivery.id()) {
        Err(_) => {
            tracing::error!("an entry of the queue holds no transfer id");
            delivery.ack().await
        }
        Ok(id) => match Box::pin(dispatcher.advance(id)).await {
            Next::Settled => delivery.ack().await,
            Next::After(delay) => delivery.retry_in(delay).await,
        },
    };
    if let Err(error) = settled {
        tracing::warn!(
            error = %Chain(&error),
            "an entry could not be settled; it will come again"
        );
    }
}
