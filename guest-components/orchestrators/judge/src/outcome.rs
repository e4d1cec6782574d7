//! What came of a program.

use std::fmt;
use std::time::Duration;

use mimobox_guest::{Error, ExitStatus};
use serde::{Deserialize, Serialize};

/// The names of the outcomes, in `expected.toml` and in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// It ended with exit code 0.
    Ok,
    /// It ended with another exit code.
    Failed,
    /// A signal ended it.
    Killed,
    /// It did not end in time.
    TimedOut,
    /// It wanted more memory than it may have.
    OutOfMemory,
    /// It wrote more than the judge keeps.
    OutputLimit,
    /// A policy or the operator refused to start it.
    Denied,
    /// The sandbox has no such program, for instance no such interpreter.
    NotFound,
    /// The compiler refused it.
    NotCompiled,
    /// It could not be judged.
    Error,
}

/// What came of a program, with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) kind: Kind,
    /// If it ended by itself.
    pub(crate) exit_code: Option<u8>,
    /// The rule that denied it, the signal that killed it, the cause of an error.
    pub(crate) detail: Option<String>,
}

/// One program's outcome and what it left.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) outcome: Outcome,
    pub(crate) elapsed: Duration,
    /// What it wrote to standard output.
    pub(crate) stdout: String,
    /// The first line of what it wrote anywhere.
    pub(crate) first_line: String,
}

impl Outcome {
    fn new(kind: Kind) -> Self {
        Self { kind, exit_code: None, detail: None }
    }

    fn because(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, exit_code: None, detail: Some(detail.into()) }
    }

    /// It was killed for what it wrote.
    pub(crate) fn output_limit() -> Self {
        Self::new(Kind::OutputLimit)
    }

    /// The compiler ended with this.
    pub(crate) fn not_compiled(status: ExitStatus) -> Self {
        Self { exit_code: status.code(), ..Self::new(Kind::NotCompiled) }
    }
}

impl From<ExitStatus> for Outcome {
    fn from(status: ExitStatus) -> Self {
        let kind = match status {
            ExitStatus::Exited(0) => Kind::Ok,
            ExitStatus::Exited(_) => Kind::Failed,
            ExitStatus::Signaled(signal) => return Self::because(Kind::Killed, format!("signal {signal}")),
            ExitStatus::TimedOut => Kind::TimedOut,
            ExitStatus::OutOfMemory => Kind::OutOfMemory,
        };
        Self { exit_code: status.code(), ..Self::new(kind) }
    }
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied { rule, .. } => Self::because(Kind::Denied, rule),
            Error::TimedOut => Self::new(Kind::TimedOut),
            Error::NotFound => Self::new(Kind::NotFound),
            other => Self::because(Kind::Error, other.to_string()),
        }
    }
}

impl Kind {
    /// As in `expected.toml`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::TimedOut => "timed-out",
            Self::OutOfMemory => "out-of-memory",
            Self::OutputLimit => "output-limit",
            Self::Denied => "denied",
            Self::NotFound => "not-found",
            Self::NotCompiled => "not-compiled",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{} ({detail})", self.kind.name()),
            None => f.write_str(self.kind.name()),
        }
    }
}
