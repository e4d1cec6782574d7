//! Whole stories, as a user lives them: the host binary, guest components, real OS sandboxes.
#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]
#![allow(clippy::disallowed_methods, reason = "starts the host as its users do")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mimobox_harness::{Requirement, component, met, program};

/// What one story leaves for a moment must not count against another.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A host with a state folder of its own, and no other beside it; none where the machine lacks what sandboxes take.
pub struct Host {
    state: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Host {
    /// Ready to run components.
    pub fn new() -> Option<Self> {
        met(Requirement::Root).then(|| {
            let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
            Self { state: tempfile::tempdir().unwrap(), _alone }
        })
    }

    /// Runs a component with these options of the host and, after `--`, these arguments of its own.
    pub fn run(&self, name: &str, options: &[&str], arguments: &[&str]) -> Output {
        Command::new(program("mimobox-host"))
            .current_dir(root())
            .env("XDG_STATE_HOME", self.state.path())
            .env("XDG_CONFIG_HOME", self.state.path())
            .arg("run")
            .arg(component(name))
            .args(options)
            .arg("--")
            .args(arguments)
            .output()
            .unwrap()
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Both outputs, for the message of a failed expectation.
pub fn shown(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
