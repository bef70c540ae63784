//! The synthesizer as a process, in the Python environment that the repository's own checks use.

use std::path::{Path, PathBuf};
use std::process::Output;

use tokio::process::Command;
use tokio::sync::OnceCell;

/// Returns the repository's folder.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs one command of the synthesizer and returns what it wrote to its standard output.
pub async fn run(arguments: &[&str]) -> String {
    let python = python().await.join("bin/python");
    let mut command = Command::new(&python);
    command.args(["-m", "iidi_synthesizer"]).args(arguments).current_dir(repository().join("synthesizer"));
    text(&command.output().await.expect("a Python that can be started"), "the synthesizer")
}

/// Makes the environment if it is not there or has other packages than are required now.
async fn python() -> &'static Path {
    static ENVIRONMENT: OnceCell<PathBuf> = OnceCell::const_new();
    let make = async || {
        let environment = repository().join(".local/python-test");
        let requirements = repository().join("synthesizer/requirements.txt");
        let wanted = std::fs::read_to_string(&requirements).expect("the synthesizer's requirements");
        let stamp = environment.join("requirements-installed.txt");
        // The checks' own environment holds these packages first and the test runner's behind them.
        if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed.starts_with(&wanted)) {
            return environment;
        }
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&environment);
        text(&venv.output().await.expect("python3"), "python3 -m venv");
        let mut pip = Command::new(environment.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&requirements);
        text(&pip.output().await.expect("pip"), "pip install");
        std::fs::write(stamp, wanted).expect("a written stamp");
        environment
    };
    ENVIRONMENT.get_or_init(make).await
}

fn text(output: &Output, what: &str) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what} has failed, {}: {said}", output.status);
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}
