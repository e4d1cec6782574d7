//! Whole stories, as a user lives them: the host binary, guest components, real OS sandboxes.
#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]
#![allow(clippy::disallowed_methods, reason = "starts the host as its users do")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mimobox_harness::{Requirement, component, met, program};

/// A host with a state folder of its own; none where the machine lacks what sandboxes take.
pub struct Host {
    state: tempfile::TempDir,
}

impl Host {
    /// Ready to run components.
    pub fn new() -> Option<Self> {
        met(Requirement::Root).then(|| Self { state: tempfile::tempdir().unwrap() })
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
