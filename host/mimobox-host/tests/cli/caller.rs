//! Calls the binary as a user does, in a home of its own, and looks at what it says.

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use mimobox_harness::{Requirement, agent, component, met};
use tempfile::TempDir;

/// A user's home and current folder, gone with this.
pub(crate) struct Caller {
    home: TempDir,
}

/// What a call came to.
#[derive(Debug)]
pub(crate) struct Done {
    code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Caller {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    /// None, with the reason printed, where this machine cannot make sandboxes; a failure in CI.
    pub(crate) fn with_sandboxes() -> Option<Self> {
        met(Requirement::Root).then(Self::new)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file into the current folder.
    pub(crate) fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path(name), contents).unwrap();
        self
    }

    /// Copies a guest component into the current folder.
    pub(crate) fn component(&self, name: &str) -> &Self {
        self.file(&format!("{name}.wasm"), fs::read(component(name)).unwrap())
    }

    /// Calls it with nothing on its standard input.
    pub(crate) fn call(&self, arguments: &[&str]) -> Done {
        self.command(arguments).stdin(Stdio::null()).output().unwrap().into()
    }

    /// Calls it with these variables on top of its own.
    pub(crate) fn call_with_variables(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Done {
        self.command(arguments).envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap().into()
    }

    /// Calls it with `input` on its standard input.
    pub(crate) fn call_with_input(&self, arguments: &[&str], input: &[u8]) -> Done {
        let mut child = self.start(arguments, Stdio::piped());
        let mut stdin = child.stdin.take().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                // A program may well end without reading it all.
                let _ = stdin.write_all(input);
            });
            child.wait_with_output().unwrap().into()
        })
    }

    /// Starts it and does not wait.
    pub(crate) fn start(&self, arguments: &[&str], stdin: Stdio) -> Child {
        self.command(arguments).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The entries of the audit log in the state folder; none before there is one.
    pub(crate) fn audit(&self) -> Vec<serde_json::Value> {
        let log = fs::read_to_string(self.path("state/mimobox-host/audit.jsonl")).unwrap_or_default();
        // A host that still runs may be writing the last line.
        let whole = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        // One cache for all tests: a component is compiled once.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
        let mut command = Command::new(env!("CARGO_BIN_EXE_mimobox-host"));
        command
            .args(arguments)
            .current_dir(self.home.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home.path())
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CACHE_HOME", cache)
            .env("MIMOBOX_AGENT", agent());
        command
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            // What a shell makes of a signal.
            code: output.status.code().or(output.status.signal().map(|signal| 128 + signal)),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Done {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn prints(self, stdout: &str) -> Self {
        assert_eq!(self.stdout, stdout, "{self:#?}");
        self
    }

    /// On standard error, somewhere.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "not said: {text}\n{self:#?}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("{error}: {self:#?}"),
        }
    }
}
