//! Building the FHIR server with Maven, once per state of its sources.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::exec;
use crate::files::tail;
use crate::layout::Layout;
use crate::process::mark;

/// The program, beside the folder with what it needs.
pub(crate) const JAR: &str = "iidi-hapi.jar";

/// Builds the project unless that is done, and returns the program's folder. The flag says whether it had to.
///
/// The folder is named for the sources' hash and appears whole, so an interrupted build is simply done again.
pub(crate) async fn ensure(project: &Path, layout: &Layout) -> Result<(PathBuf, bool)> {
    let project =
        fs::canonicalize(project).with_context(|| format!("no project in {}", project.display()))?;
    let target = project.join("target");
    let app = target.join(format!("app-{:016x}", hash_of(&project)?));
    if app.join(JAR).exists() {
        return Ok((app, false));
    }
    fs::create_dir_all(&target)?;
    let lock = File::create(target.join(".lock"))?;
    let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??; // other stacks build it too
    if app.join(JAR).exists() {
        return Ok((app, false));
    }
    for old in fs::read_dir(&target)?.flatten() {
        if old.file_name().to_string_lossy().starts_with("app-") {
            fs::remove_dir_all(old.path())?;
        }
    }
    let draft = target.join("draft");
    if draft.exists() {
        fs::remove_dir_all(&draft)?;
    }
    package(&project, &draft, layout).await?;
    fs::rename(&draft, &app)?;
    drop(lock);
    Ok((app, true))
}

async fn package(project: &Path, into: &Path, layout: &Layout) -> Result<()> {
    let log = layout.log("hapi-build");
    let output = File::create(&log).with_context(|| format!("opening {}", log.display()))?;
    let mut maven = Command::new(exec::program("mvn")?);
    maven.args(["-ntp", "-B", "-q", "package"]).arg(format!("-Dapp.dir={}", into.display()));
    maven
        .current_dir(project)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .kill_on_drop(true);
    mark(&mut maven, layout);
    let status = maven.status().await.context("starting Maven")?;
    if !status.success() || !into.join(JAR).exists() {
        bail!("building the FHIR server failed ({status}):\n{}", tail(&log, 20));
    }
    Ok(())
}

fn hash_of(project: &Path) -> Result<u64> {
    let mut files = vec![project.join("pom.xml")];
    files_below(&project.join("src"), &mut files)?;
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        hasher.write(file.strip_prefix(project)?.as_os_str().as_encoded_bytes());
        hasher.write(&fs::read(&file).with_context(|| format!("reading {}", file.display()))?);
    }
    Ok(hasher.finish())
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files_below(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
