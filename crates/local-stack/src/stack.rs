//! The whole stack: up, attach, status, down.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::{join_all, try_join_all};
use mtls::pki::LocalCa;

use crate::ca::{self, PartyCertificate};
use crate::hapi::{self, Hapi, HapiOptions};
use crate::layout::Layout;
use crate::postgres::{self, DatabaseUrls, Postgres};
use crate::process::{self, ProcessRecord, ProcessStatus};
use crate::redis::Redis;
use crate::steps::{Progress, Step};
use crate::{directory, package_keys};

/// Databases of each province that our services use: `on_outbound`, …
const SERVICE_DATABASES: [&str; 3] = ["outbound", "inbound", "aggregator"];

/// What a stack shall have.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// Codes of the provinces, upper case. Provinces that the stack already has stay.
    pub provinces: Vec<String>,
    /// How FHIR servers are built and run; `None` starts none.
    pub hapi: Option<HapiOptions>,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self { provinces: vec!["ON".to_owned(), "BC".to_owned()], hapi: Some(HapiOptions::default()) }
    }
}

/// A stack whose stores run.
#[derive(Debug, Clone)]
pub struct Stack {
    layout: Layout,
    provinces: Vec<String>,
    postgres: Postgres,
    redis: Redis,
}

impl Stack {
    /// Starts what is missing and returns when all is ready. Says each step, with its seconds, to `progress`.
    ///
    /// Stores, certificates and the FHIR server's build go side by side, then the FHIR servers do.
    ///
    /// # Errors
    /// When a part is not installed, does not start, or is not ready in time. What was started stays; `up` can be
    /// called again, or [`Stack::down`].
    pub async fn up(
        layout: &Layout,
        options: &StackOptions,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Self> {
        let _lock = layout.exclusive(|| progress("waiting for another command on this stack")).await?;
        let strays = process::sweep(layout).await?;
        if strays > 0 {
            progress(&format!("ended {strays} left over by an interrupted command"));
        }
        let provinces = join(layout, &options.provinces)?;
        let files = async { files(layout, &provinces, progress) };
        let stores = async {
            futures::try_join!(databases(layout, &provinces, progress), queue(layout, &provinces, progress))
        };
        let build = build(layout, options.hapi.as_ref(), progress);
        let ((), (postgres, redis), app) = futures::try_join!(files, stores, build)?;
        if let (Some(options), Some(app)) = (&options.hapi, &app) {
            layout.update(|file| {
                file.hapi = Some(options.clone());
                Ok(())
            })?;
            try_join_all(provinces.iter().map(|code| fhir_server(layout, code, app, options, progress)))
                .await?;
        }
        remember_secrets(layout)?;
        Ok(Self { layout: layout.clone(), provinces, postgres, redis })
    }

    /// The running stack in this folder, whoever started it.
    ///
    /// # Errors
    /// When there is none, or a store does not run. FHIR servers may be stopped.
    pub fn attach(layout: &Layout) -> Result<Self> {
        let provinces = layout.read()?.provinces.into_iter().collect();
        let (postgres, redis) = (Postgres::attach(layout)?, Redis::attach(layout)?);
        Ok(Self { layout: layout.clone(), provinces, postgres, redis })
    }

    /// Ends every process of the stack: services first, stores last, each asked to stop and killed when it does
    /// not. Data stays.
    ///
    /// # Errors
    /// When a process cannot be ended.
    pub async fn down(layout: &Layout, progress: &(dyn Fn(&str) + Sync)) -> Result<()> {
        if !layout.root().exists() {
            return Ok(());
        }
        let _lock = layout.exclusive(|| progress("waiting for another command on this stack")).await?;
        let records = ProcessRecord::all(layout);
        for (stage, grace) in [(0, 30), (1, 20), (2, 20)] {
            let of_stage = records.iter().filter(|record| record.stage == stage);
            let stops = of_stage.map(|record| async move {
                let (step, was_running) = (Step::begin(progress), record.is_running());
                record.stop(layout, Duration::from_secs(grace)).await?;
                if was_running {
                    step.done(&format!("{} stopped", record.name));
                }
                anyhow::Ok(())
            });
            join_all(stops).await.into_iter().collect::<Result<Vec<()>>>()?;
        }
        process::sweep(layout).await?;
        Ok(())
    }

    /// Removes the data of a stack that is down, its folder included.
    ///
    /// # Errors
    /// When something of it runs, or the folder is not a stack's.
    pub async fn wipe(layout: &Layout) -> Result<()> {
        if !layout.root().exists() {
            return Ok(());
        }
        ensure!(layout.exists(), "{} is no stack: it has no stack.json", layout.root().display());
        let _lock = layout.exclusive(|| ()).await?;
        ensure!(Self::status(layout).iter().all(|part| !part.running), "the stack still runs");
        if let Some(data) = layout.read()?.postgres_data {
            postgres::remove_data(&data)?;
        }
        fs::remove_dir_all(layout.root()).with_context(|| format!("removing {}", layout.root().display()))
    }

    /// How each recorded process is doing, stores first.
    pub fn status(layout: &Layout) -> Vec<ProcessStatus> {
        ProcessRecord::all(layout).into_iter().map(ProcessRecord::status).collect()
    }

    /// Where it keeps what.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Codes of its provinces, upper case, sorted.
    pub fn provinces(&self) -> &[String] {
        &self.provinces
    }

    /// Its PostgreSQL.
    pub fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// Its Redis.
    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    /// URLs of a province's database for a service (`outbound`, `inbound`).
    ///
    /// # Errors
    /// When the code is none.
    pub fn database(&self, province: &str, service: &str) -> Result<DatabaseUrls> {
        self.postgres.urls(&format!("{}_{service}", crate::lower_code(province)?))
    }

    /// URL of a province's queue user.
    ///
    /// # Errors
    /// When the code is none.
    pub fn redis_url(&self, province: &str) -> Result<String> {
        self.redis.url(province)
    }

    /// The FHIR server of a province, running or not.
    ///
    /// # Errors
    /// When the code is none.
    pub fn hapi(&self, province: &str) -> Result<Hapi> {
        Hapi::of(&self.layout, province)
    }

    /// Base URL of a province's FHIR server.
    ///
    /// # Errors
    /// When the code is none.
    pub fn fhir_url(&self, province: &str) -> Result<String> {
        Ok(self.hapi(province)?.fhir_url())
    }

    /// Starts a province's FHIR server again, as `up` did and on the same port, and waits until it is ready.
    ///
    /// # Errors
    /// When the stack has no FHIR servers, or it runs already, or it does not start.
    pub async fn start_hapi(&self, province: &str) -> Result<()> {
        let options = self.layout.read()?.hapi.context("this stack has no FHIR servers")?;
        let (app, _) = hapi::build::ensure(&options.project, &self.layout).await?;
        self.hapi(province)?.start(&app, &options).await
    }

    /// Stops a province's FHIR server in good order.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn stop_hapi(&self, province: &str) -> Result<()> {
        self.hapi(province)?.stop().await
    }

    /// Kills a province's FHIR server at once, as a crash would.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn kill_hapi(&self, province: &str) -> Result<()> {
        self.hapi(province)?.kill().await
    }

    /// Writes the peer directory anew, for the ports that [`Layout::port`] now remembers.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_directory(&self) -> Result<()> {
        directory::write(&self.layout, &self.provinces)
    }

    /// Files of a service's certificate: `certificate("ON", "outbound-transfer")`, `certificate("PHAC", "federator")`.
    ///
    /// # Errors
    /// When the code is none.
    pub fn certificate(&self, code: &str, service: &str) -> Result<PartyCertificate> {
        ca::certificate(&self.layout, code, service)
    }

    /// The certificate authority, for tests that revoke or forge.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub fn authority(&self) -> Result<LocalCa> {
        ca::authority(&self.layout)
    }
}

/// Adds provinces to those that the stack has; returns all.
fn join(layout: &Layout, provinces: &[String]) -> Result<Vec<String>> {
    for code in provinces {
        ensure!(code != directory::FEDERAL, "{code} is no province");
        crate::names_of(code).with_context(|| format!("no jurisdiction has the code {code}"))?;
    }
    layout.update(|file| {
        file.provinces.extend(provinces.iter().cloned());
        Ok(file.provinces.iter().cloned().collect())
    })
}

fn files(layout: &Layout, provinces: &[String], progress: Progress<'_>) -> Result<()> {
    let step = Step::begin(progress);
    let issued = ca::ensure(layout, provinces)?;
    package_keys::ensure(layout, provinces)?;
    directory::write(layout, provinces)?;
    step.done(&format!("certificates ready, {issued} issued; peer directory written"));
    Ok(())
}

async fn databases(layout: &Layout, provinces: &[String], progress: Progress<'_>) -> Result<Postgres> {
    let step = Step::begin(progress);
    let (postgres, started) = Postgres::up(layout).await?;
    let does = if started { "started" } else { "runs already" };
    step.done(&format!("PostgreSQL {does} on port {}", postgres.port()));
    let step = Step::begin(progress);
    for province in provinces {
        let code = crate::lower_code(province)?;
        for service in SERVICE_DATABASES {
            postgres.create_database(&format!("{code}_{service}")).await?;
        }
        postgres.create_owned_database(&format!("{code}_hapi")).await?;
    }
    step.done(&format!("databases of {} ready", provinces.join(", ")));
    Ok(postgres)
}

async fn queue(layout: &Layout, provinces: &[String], progress: Progress<'_>) -> Result<Redis> {
    let step = Step::begin(progress);
    let (redis, started) = Redis::up(layout, provinces).await?;
    let does = if started { "started" } else { "runs already" };
    step.done(&format!("Redis {does} on port {}", redis.port()));
    Ok(redis)
}

async fn build(
    layout: &Layout,
    options: Option<&HapiOptions>,
    progress: Progress<'_>,
) -> Result<Option<PathBuf>> {
    let Some(options) = options else { return Ok(None) };
    let step = Step::begin(progress);
    let (app, built) = hapi::build::ensure(&options.project, layout).await?;
    step.done(if built { "FHIR server built" } else { "FHIR server is built" });
    Ok(Some(app))
}

async fn fhir_server(
    layout: &Layout,
    province: &str,
    app: &Path,
    options: &HapiOptions,
    progress: Progress<'_>,
) -> Result<()> {
    let step = Step::begin(progress);
    let (server, started) = Hapi::up(layout, province, app, options).await?;
    let does = if started { "started" } else { "runs already" };
    step.done(&format!("FHIR server of {province} {does} on {}", server.fhir_url()));
    Ok(())
}

/// Lists the files with secrets in `stack.json`, so that a person finds them. The secrets stay in their files.
fn remember_secrets(layout: &Layout) -> Result<()> {
    let mut found = Vec::new();
    for store in ["postgres", "redis"] {
        for entry in fs::read_dir(layout.root().join("secrets").join(store))?.flatten() {
            found.push((format!("{store}/{}", entry.file_name().to_string_lossy()), entry.path()));
        }
    }
    layout.update(|file| {
        file.secrets = found.into_iter().collect();
        Ok(())
    })
}
