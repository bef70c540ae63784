//! Services that an ended test process has left running: a world that lives as long as its process is never dropped.

use std::path::Path;

use local_stack::{Layout, ServiceProcess, Stack};

/// Writes down that this process has made a world.
///
/// # Panics
/// When the file cannot be written.
pub(crate) fn own(layout: &Layout, world: &str) {
    let file = layout.root().join("worlds").join(format!("{world}.owner"));
    local_stack::write_private(&file, std::process::id().to_string().as_bytes()).expect("a written owner");
}

/// Ends the services of worlds whose process has ended. Another process may be doing the same.
pub(crate) async fn end(layout: &Layout) {
    let Ok(entries) = std::fs::read_dir(layout.root().join("worlds")) else { return };
    let owners = entries.flatten().map(|entry| entry.path());
    for file in owners.filter(|path| path.extension().is_some_and(|extension| extension == "owner")) {
        let Ok(pid) = std::fs::read_to_string(&file) else { continue };
        if Path::new("/proc").join(pid).exists() {
            continue;
        }
        let world = format!("-{}", file.file_stem().unwrap_or_default().to_string_lossy());
        for one in Stack::status(layout).into_iter().filter(|one| one.record.name.contains(&world)) {
            if let Some(process) = ServiceProcess::find(layout, &one.record.name) {
                let _ = process.kill().await;
            }
        }
        let _ = std::fs::remove_file(file);
    }
}
