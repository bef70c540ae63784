//! The directory as the cluster's `Jurisdiction` objects: listed, then watched, each object read on its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::Jurisdiction;
use futures::TryStreamExt as _;
use http::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::WatchEvent;
use kube::{Client, Config};
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::check::EntryProblem;
use crate::directory::Shared;
use crate::entry::JurisdictionEntry;
use crate::file::ReadEntry;

const PATH: &str = "/apis/iidi.phac-aspc.gc.ca/v1/jurisdictions";

/// How long a watch lasts before everything is listed again: a lost event is made good after it.
const WATCH_SECONDS: u32 = 60;
/// Longer than a watch: a connection that says nothing for so long is dead.
const READ_TIMEOUT: Duration = Duration::from_secs(75);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take to begin; a server that is just starting may let a call hang.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// The first and the longest pause while the cluster's API does not answer.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// What the directory file says in place of a list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClusterSource {
    /// Where the last good set is kept, for a start without the cluster's API.
    pub(crate) last_good: Option<PathBuf>,
    /// How long a watch lasts, in seconds, at most [`WATCH_SECONDS`].
    pub(crate) watch_seconds: Option<u32>,
    /// How to reach the cluster; left away, as a pod in it does.
    pub(crate) kubeconfig: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
struct Object {
    metadata: Metadata,
    #[serde(default)]
    spec: Value,
}

#[derive(Debug, Clone, Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Debug, Deserialize)]
struct List {
    metadata: ListMetadata,
    items: Vec<Object>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMetadata {
    resource_version: String,
}

/// The objects as they stand, by name.
type Objects = BTreeMap<String, Value>;

/// Why following was broken off; everything is listed again.
enum Broken {
    /// The watch was over, or too old to go on: nothing is wrong.
    Over,
    /// The API did not answer, or not as it should.
    Failed(String),
}

impl From<kube::Error> for Broken {
    fn from(error: kube::Error) -> Self {
        let mut said = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            said = format!("{said}: {inner}");
            cause = inner.source();
        }
        Self::Failed(said)
    }
}

/// Lists the objects once, on a thread of its own: the caller waits and may be asynchronous or not.
pub(crate) fn list_now(source: &ClusterSource) -> Result<Vec<ReadEntry>, String> {
    let listed = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let listing = async { list(&client(source).await?).await };
                Ok(listing.await)
            })
        });
        thread.join()
    });
    match listed {
        Ok(Ok(Ok((objects, _)))) => Ok(read(&objects)),
        Ok(Ok(Err(Broken::Failed(what)))) => Err(what),
        Ok(Ok(Err(Broken::Over))) => Err("the cluster's API does not answer".to_owned()),
        Ok(Err(error)) => Err(std::io::Error::to_string(&error)),
        Err(_) => Err("reading the cluster's objects has failed".to_owned()),
    }
}

/// Follows the objects until `stop`. While the API is away the last good set holds, with a problem that says so.
pub(crate) async fn follow(shared: Arc<Shared>, source: ClusterSource, stop: CancellationToken) {
    let mut pause = PAUSES.0;
    loop {
        let mut heard = false;
        let broken = stop.run_until_cancelled(list_and_watch(&shared, &source, &mut heard)).await;
        if heard {
            pause = PAUSES.0;
        }
        match broken {
            None => return,
            Some(Broken::Over) => {}
            Some(Broken::Failed(what)) => {
                shared.source_failed(what);
                if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                    return;
                }
                pause = (pause * 2).min(PAUSES.1);
            }
        }
    }
}

/// Runs until the watch ends; `heard` becomes true once the API has answered.
async fn list_and_watch(shared: &Arc<Shared>, source: &ClusterSource, heard: &mut bool) -> Broken {
    let watched: Result<std::convert::Infallible, Broken> = async {
        let client = client(source).await?;
        let (mut objects, version) = list(&client).await?;
        let seconds = source.watch_seconds.unwrap_or(WATCH_SECONDS).min(WATCH_SECONDS);
        *heard = true;
        take(shared, &objects).await;
        let request = get(&format!("{PATH}?watch=true&resourceVersion={version}&timeoutSeconds={seconds}"))?;
        let mut events = std::pin::pin!(in_time(client.request_events::<Object>(request)).await?);
        while let Some(event) = events.try_next().await? {
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    objects.insert(object.metadata.name, object.spec);
                }
                WatchEvent::Deleted(object) => {
                    objects.remove(&object.metadata.name);
                }
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(status) if status.code == 410 => return Err(Broken::Over),
                WatchEvent::Error(status) => return Err(Broken::Failed(status.message)),
            }
            take(shared, &objects).await;
        }
        Err(Broken::Over)
    }
    .await;
    let Err(broken) = watched;
    broken
}

async fn take(shared: &Arc<Shared>, objects: &Objects) {
    let (shared, read) = (shared.clone(), read(objects));
    // The copy of the last good set is written to disk.
    let _ = tokio::task::spawn_blocking(move || shared.take_all(read)).await;
}

async fn client(source: &ClusterSource) -> Result<Client, Broken> {
    let failed = |error: &dyn std::error::Error| Broken::Failed(error.to_string());
    let mut config = match &source.kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(|error| failed(&error))?;
            let options = KubeConfigOptions::default();
            Config::from_custom_kubeconfig(file, &options).await.map_err(|error| failed(&error))?
        }
        None => Config::incluster().map_err(|error| failed(&error))?,
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    Ok(Client::try_from(config)?)
}

async fn in_time<T>(answer: impl Future<Output = kube::Result<T>>) -> Result<T, Broken> {
    match tokio::time::timeout(ANSWER_LIMIT, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Broken::Failed("the cluster's API does not answer".to_owned())),
    }
}

fn get(path: &str) -> Result<Request<Vec<u8>>, Broken> {
    Request::get(path).body(Vec::new()).map_err(|error| Broken::Failed(error.to_string()))
}

async fn list(client: &Client) -> Result<(Objects, String), Broken> {
    let list: List = in_time(client.request(get(PATH)?)).await?;
    let objects = list.items.into_iter().map(|object| (object.metadata.name, object.spec)).collect();
    Ok((objects, list.metadata.resource_version))
}

/// Reads each object on its own: one that this program does not understand costs only itself.
fn read(objects: &Objects) -> Vec<ReadEntry> {
    let read = |(name, spec): (&String, &Value)| {
        let code = spec.get("code").and_then(Value::as_str).unwrap_or(name);
        let state = spec.get("state").and_then(Value::as_str);
        ReadEntry {
            label: name.clone(),
            code: Jurisdiction::parse(&code.to_ascii_uppercase()).ok(),
            is_suspended: state.is_some_and(|state| state.trim().eq_ignore_ascii_case("suspended")),
            outcome: entry(name, spec),
        }
    };
    objects.iter().map(read).collect()
}

fn entry(name: &str, spec: &Value) -> Result<JurisdictionEntry, EntryProblem> {
    let entry: JurisdictionEntry =
        serde_json::from_value(spec.clone()).map_err(|error| EntryProblem::Unreadable(error.to_string()))?;
    if !spec["code"].as_str().is_some_and(|code| code.bytes().all(|b| b.is_ascii_uppercase())) {
        return Err(EntryProblem::Code);
    }
    if entry.code.lower() != name {
        return Err(EntryProblem::Unreadable("the name must be the code in lower case".to_owned()));
    }
    entry.check()?;
    Ok(entry)
}
