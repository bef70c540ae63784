use std::time::Duration;

use audit::Trail;
use axum::Router;
use mtls::{Credentials, ListenerOptions};
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
    /// Who hears that the database has fallen silent.
    trail: Option<Trail>,
}

impl Lifecycle {
    /// Makes that of a process that writes this trail.
    pub(crate) fn of(trail: Trail) -> Self {
        Self { trail: Some(trail), ..Self::default() }
    }

    /// Waits until the database falls silent from now on ([`Trail::silence`]): whatever waits for it then waits for
    /// ever.
    pub fn silence(&self) -> impl Future<Output = ()> + Send + use<> {
        let silence = self.trail.as_ref().map(Trail::silence);
        async move {
            match silence {
                Some(silence) => silence.await,
                None => std::future::pending().await,
            }
        }
    }

    /// Does work that has no end of its own, and begins it again whenever the database has fallen silent under it.
    pub async fn again<F: Future<Output = ()>>(&self, name: &'static str, mut work: impl FnMut() -> F) {
        loop {
            tokio::select! {
                biased;
                () = work() => return,
                () = self.silence() => tracing::warn!(task = name, "the database fell silent; begun again"),
            }
        }
    }

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

    /// Spawns work on the database that has no end of its own: it is begun [`again`](Self::again), and dropped at the stop.
    pub fn spawn_again<F>(&self, name: &'static str, work: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let lifecycle = self.clone();
        self.spawn_until_stop(name, async move { lifecycle.again(name, work).await });
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

    /// Serves a gateway over mutual TLS until the stop.
    pub fn serve_gateway(
        &self,
        listener: TcpListener,
        credentials: Credentials,
        api: Router,
        options: ListenerOptions,
    ) {
        let stop = self.stop.clone();
        self.spawn("gateway", async move {
            if let Err(error) = mtls::serve(listener, credentials, api, options, stop).await {
                tracing::error!(%error, "the gateway has failed");
            }
        });
    }

    /// Looks at the files of credentials every so many seconds, at most once a second, until the stop.
    pub fn watch_credentials(&self, credentials: Credentials, seconds: u64) {
        let every = Duration::from_secs(seconds.max(1));
        self.spawn("credentials", credentials.watch(every, self.stop.clone()));
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
