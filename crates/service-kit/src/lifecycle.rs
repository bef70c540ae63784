use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
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

    /// Spawns work that has no end of its own: it is dropped at the stop.
    pub fn spawn_until_stop<F>(&self, name: &'static str, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.clone();
        self.spawn(name, async move { stop.run_until_cancelled(work).await.unwrap_or(()) });
    }

    /// Serves an API over plain HTTP until the stop, then lets its requests in flight finish.
    pub fn serve(&self, name: &'static str, listener: TcpListener, api: Router) {
        let stop = self.stop.clone();
        self.spawn(name, async move {
            let served = axum::serve(listener, api).with_graceful_shutdown(stop.cancelled_owned()).await;
            if let Err(error) = served {
                tracing::error!(%error, name, "an API has failed");
            }
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
