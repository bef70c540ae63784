//! The data folder: made once, by the user that PostgreSQL insists on.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use super::{NAME, password};
use crate::exec;
use crate::files::write_whole;
use crate::layout::Layout;
use crate::process::mark;

/// Small, but durable: the stores that run on it are held to what they promise. Statements do not go to the log,
/// since they may hold personal data.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 300
shared_buffers = '64MB'
max_wal_size = '512MB'
fsync = on
synchronous_commit = on
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_min_error_statement = panic
log_parameter_max_length_on_error = 0
log_error_verbosity = terse
";

/// Makes the cluster unless it is there, and returns its folder.
pub(super) async fn ensure(layout: &Layout) -> Result<PathBuf> {
    let remembered = if layout.exists() { layout.read()?.postgres_data } else { None };
    let data = match remembered {
        Some(data) if data.join("PG_VERSION").exists() => data,
        _ => make(layout).await?,
    };
    write_whole(&data.join("iidi.conf"), SETTINGS.as_bytes(), 0o644)?;
    Ok(data)
}

async fn make(layout: &Layout) -> Result<PathBuf> {
    let data = place(layout).await?;
    let password_file = data.with_extension("pw");
    write_whole(&password_file, password(layout, "postgres")?.as_bytes(), 0o600)?;
    if let Some((user, group)) = server_user()? {
        chown(&password_file, Some(user), Some(group))?;
    }
    let mut initdb = exec::clean_command(&programs(&data)?.join("initdb"));
    initdb.args(["-A", "scram-sha-256", "-U", "postgres", "-E", "UTF8", "--no-locale"]);
    initdb.arg(format!("--pwfile={}", password_file.display())).arg("-D").arg(&data);
    as_its_user(&mut initdb, &data)?;
    mark(&mut initdb, layout);
    let made = exec::run(&mut initdb, "").await;
    fs::remove_file(&password_file)?;
    made?;
    let settings = data.join("postgresql.conf");
    let text = fs::read_to_string(&settings)? + "\ninclude 'iidi.conf'\n";
    fs::write(&settings, text).context("writing postgresql.conf")?;
    layout.update(|file| {
        file.postgres_data = Some(data.clone());
        Ok(())
    })?;
    Ok(data)
}

/// An empty folder that the server's user owns and reaches: in the stack's folder if that can be, else a fresh one
/// under `/var/tmp`.
async fn place(layout: &Layout) -> Result<PathBuf> {
    let home = layout.root().join(NAME);
    fs::create_dir_all(&home)?;
    let Some((user, group)) = server_user()? else {
        return Ok(empty(home.join("data"))?);
    };
    fs::set_permissions(layout.root(), fs::Permissions::from_mode(0o711))?;
    chown(&home, Some(user), Some(group))?;
    let mut look = exec::clean_command(&exec::program("test")?);
    look.arg("-w").arg(&home).uid(user).gid(group).current_dir("/");
    if exec::run(&mut look, "").await.is_ok() {
        return Ok(empty(home.join("data"))?);
    }
    let elsewhere = tempfile::Builder::new().prefix("iidi-postgres-").tempdir_in("/var/tmp")?.keep();
    chown(&elsewhere, Some(user), Some(group))?;
    Ok(elsewhere.join("data"))
}

/// What an interrupted `initdb` left is of no use.
fn empty(data: PathBuf) -> std::io::Result<PathBuf> {
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    Ok(data)
}

/// Makes a command run as the user that owns the cluster's folder, from a place which that user may enter.
pub(super) fn as_its_user(command: &mut Command, data: &Path) -> Result<()> {
    command.current_dir(data.parent().unwrap_or(data));
    if let Some((user, group)) = server_user()? {
        command.uid(user).gid(group);
    }
    Ok(())
}

/// The account for the server: PostgreSQL refuses to run as root. `None` = our own.
fn server_user() -> Result<Option<(u32, u32)>> {
    if !exec::is_root() {
        return Ok(None);
    }
    let account = exec::account("postgres").context("no user postgres: run deploy/local/setup.sh")?;
    Ok(Some(account))
}

/// Folder of the server's programs: of the version that made the data, else the newest installed.
pub(super) fn programs(data: &Path) -> Result<PathBuf> {
    let made_by = fs::read_to_string(data.join("PG_VERSION")).ok().map(|text| text.trim().to_owned());
    let folders = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = folders
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, programs)| programs.join("initdb").is_file() && programs.join("psql").exists())
        .collect();
    versions.sort();
    if let Some(wanted) = made_by {
        versions.retain(|(version, _)| version.to_string() == wanted);
        if versions.is_empty() {
            bail!(
                "the data was made by PostgreSQL {wanted}, which is not installed; `down --wipe` starts afresh"
            );
        }
    }
    let newest = versions.pop().context("PostgreSQL is not installed: run deploy/local/setup.sh")?;
    Ok(newest.1)
}

/// Removes the data, also when it lies outside the stack's folder.
pub(crate) fn remove(data: &Path) -> Result<()> {
    let folder = data.parent().context("the data folder has a parent")?;
    let is_ours = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("iidi-postgres-"));
    if is_ours && folder.parent() == Some(Path::new("/var/tmp")) && fs::metadata(folder)?.uid() != 0 {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    Ok(())
}
