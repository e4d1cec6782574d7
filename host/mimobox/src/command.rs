//! What to run.

use std::time::Duration;

use crate::error::{Error, Result};

/// The shell of shell lines: every image has it.
const SHELL: &str = "/bin/sh";

/// A program with its arguments, to be run in a sandbox.
///
/// ```
/// # use mimobox::Command;
/// let command = Command::new("python3").arg("-c").arg("print(6 * 7)").env("LANG", "C.UTF-8");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    pub(crate) inner: mimobox_sandbox::Command,
    pub(crate) stdin: Stdin,
}

/// Where a command's standard input comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stdin {
    /// Nowhere: closed from the start.
    #[default]
    Closed,
    /// These bytes, then its end.
    Bytes(Vec<u8>),
    /// Whoever has the process.
    Piped,
}

impl Stdin {
    /// What is there to be fed, for one whose process nobody has.
    ///
    /// # Errors
    /// `InvalidArgument`: it is a pipe.
    pub(crate) fn into_bytes(self) -> Result<Vec<u8>> {
        match self {
            Self::Closed => Ok(Vec::new()),
            Self::Bytes(bytes) => Ok(bytes),
            Self::Piped => Err(Error::InvalidArgument("stdin: only a spawned process gives its pipe".into())),
        }
    }
}

impl Command {
    /// A program, looked up in the sandbox's own `PATH` unless it holds a slash.
    pub fn new(program: impl Into<String>) -> Self {
        Self { inner: mimobox_sandbox::Command::new(program), stdin: Stdin::Closed }
    }

    /// A line for the sandbox's shell: `/bin/sh -c LINE`. Whatever is put into the line is read as shell: text that is not
    /// yours belongs into an argument of [`Command::new`].
    pub fn shell(line: impl Into<String>) -> Self {
        Self::new(SHELL).arg("-c").arg(line)
    }

    /// Appends an argument.
    #[must_use]
    pub fn arg(self, argument: impl Into<String>) -> Self {
        self.args([argument])
    }

    /// Appends arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<String>>(mut self, arguments: I) -> Self {
        self.inner = self.inner.arguments(arguments);
        self
    }

    /// Sets a variable, in place of the sandbox's of the same name.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.inner.environment.push((name.into(), value.into()));
        self
    }

    /// Where it starts: an absolute path in the sandbox. Its home where none.
    #[must_use]
    pub fn directory(mut self, path: impl Into<String>) -> Self {
        self.inner.directory = Some(path.into());
        self
    }

    /// As whom: a user of the sandbox's image. Its unprivileged default where none.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>) -> Self {
        self.inner.user = Some(name.into());
        self
    }

    /// Killed after this long, with all that it started. The sandbox's [`timeout`](crate::ConfigBuilder::timeout) where none.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.inner.timeout = Some(timeout);
        self
    }

    /// Standard input: these bytes, then its end. Where nothing is said it is closed from the start, so that no program waits
    /// for what nobody types. On a terminal the bytes are typed, and more may follow.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Stdin::Bytes(bytes.into());
        self
    }

    /// Standard input is a pipe, to be had from the [`Process`](crate::Process) that [`spawn`](crate::Sandbox::spawn) gives.
    #[must_use]
    pub fn stdin_piped(mut self) -> Self {
        self.stdin = Stdin::Piped;
        self
    }

    /// What the domain is asked for, with the sandbox's timeout where it has none of its own; and its input.
    pub(crate) fn within(self, timeout: Option<Duration>) -> (mimobox_sandbox::Command, Stdin) {
        let Self { mut inner, stdin } = self;
        inner.timeout = inner.timeout.or(timeout);
        (inner, stdin)
    }
}
