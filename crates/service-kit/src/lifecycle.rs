use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What everything that a service starts hangs on: one stop token and one tracker of tasks.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    /// Cancelled when the service shall stop taking work.
    pub stop: CancellationToken,
    /// Holds every task of the service; nothing is spawned outside.
    pub tasks: TaskTracker,
}

impl Lifecycle {
    /// Spawns a task whose end, before the stop, stops the whole service: a worker that has gone is no service.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let guard = StopWhenDropped { name, stop };
            task.await;
            drop(guard);
        });
    }

    /// Asks everything to stop, and waits for it at most `patience`; tells whether all ended in time.
    pub async fn drain(&self, patience: Duration) -> bool {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(patience, self.tasks.wait()).await.is_ok()
    }
}

struct StopWhenDropped {
    name: &'static str,
    stop: CancellationToken,
}

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        if !self.stop.is_cancelled() {
            tracing::error!(task = self.name, "a task has ended by itself; the service stops");
            self.stop.cancel();
        }
    }
}
