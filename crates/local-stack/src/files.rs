//! Writing files whole and with the right permissions.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// Writes a file that only its owner can read (mode 0600), in one step: a reader sees the old content or the new
/// one, never a part. Missing folders are made.
///
/// # Errors
/// When the folder or the file cannot be written.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    write_whole(path, content, 0o600)
}

/// Writes a configuration value as YAML (mode 0600, in one step).
///
/// # Errors
/// When the value cannot be expressed in YAML or the file cannot be written.
pub fn write_config(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_norway::to_string(value).with_context(|| format!("shaping {}", path.display()))?;
    write_private(path, text.as_bytes())
}

/// Writes a file with the given mode by way of a neighbour that is renamed.
pub(crate) fn write_whole(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let folder = path.parent().context("a file needs a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let name = path.file_name().context("a file needs a name")?.to_string_lossy();
    let draft = folder.join(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
        file.write_all(content)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?; // whatever the umask says
        fs::rename(&draft, path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// The secret in a file, drawn and stored on first use. Hex, so it needs no quoting anywhere.
pub(crate) fn secret(path: &Path) -> Result<String> {
    if path.exists() {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        return Ok(text.trim().to_owned());
    }
    let text = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
    write_private(path, text.as_bytes())?;
    Ok(text)
}

/// The last lines of a text file, for a person who has to find out why something did not start.
pub(crate) fn tail(path: &Path, lines: usize) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
