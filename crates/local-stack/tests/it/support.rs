//! A stack of its own for a test: stores without FHIR servers, in a folder that goes with it.

use std::os::unix::fs::PermissionsExt;

use local_stack::{Layout, Stack, StackOptions};
use tempfile::TempDir;

/// Ends the stack's processes and removes its data when the test is over, also when it failed.
pub struct Scratch {
    /// Where the stack is.
    pub layout: Layout,
    _folder: TempDir,
}

impl Scratch {
    /// A folder that every user may enter, as a clone in a shared place is.
    pub fn new() -> Self {
        let scratch = Self::private();
        std::fs::set_permissions(scratch.layout.root(), std::fs::Permissions::from_mode(0o755)).unwrap();
        scratch
    }

    /// A folder that only its owner may enter, as a clone in a home folder is.
    pub fn private() -> Self {
        let folder = tempfile::Builder::new().prefix("local-stack-").tempdir().unwrap();
        Self { layout: Layout::at(folder.path()), _folder: folder }
    }

    /// Starts the stores for these provinces.
    pub async fn up(&self, provinces: &[&str]) -> Stack {
        let provinces = provinces.iter().map(|&code| code.to_owned()).collect();
        let options = StackOptions { provinces, hapi: None };
        Stack::up(&self.layout, &options, &|_| ()).await.unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let layout = self.layout.clone();
        let end = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                Stack::down(&layout, &|_| ()).await.unwrap();
                if layout.exists() {
                    Stack::wipe(&layout).await.unwrap();
                }
            });
        });
        let ended = end.join();
        assert!(ended.is_ok() || std::thread::panicking(), "the stack could not be removed");
    }
}
