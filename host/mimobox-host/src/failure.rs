//! A command that failed: what to tell the user, and which exit code says it to a shell.

use std::fmt;

use mimobox_component::RunError;
use mimobox_sandbox::Error;
use serde::Serialize;

use crate::exit::Exit;

/// What every command gives back.
pub(crate) type Outcome<T = Exit> = Result<T, Failure>;

/// An error on its way to the user. What `?` meets is the host's own fault; the constructors are for the rest.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    code: &'static str,
    error: anyhow::Error,
}

impl Failure {
    /// The host's own fault.
    pub(crate) fn new(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::HostError, code: "host-error", error: error.into() }
    }

    /// Something that the operator forbade.
    pub(crate) fn refused(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Denied, code: "denied", error: error.into() }
    }

    /// The host can't do what it was asked to, for a reason that programs may want to know.
    pub(crate) fn coded(code: &'static str, error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::HostError, code, error: error.into() }
    }

    /// A command that could not be started, or whose end is not known.
    pub(crate) fn of_command(error: Error, what: impl fmt::Display) -> Self {
        Self { exit: Exit::of_error(&error), ..Self::of_sandbox(error, what) }
    }

    /// A sandbox that could not be made or destroyed. That the host lacks an image is no missing program.
    pub(crate) fn of_sandbox(error: Error, what: impl fmt::Display) -> Self {
        let exit = if matches!(error, Error::Denied(_)) { Exit::Denied } else { Exit::HostError };
        Self { exit, code: error.code(), error: anyhow::Error::new(error).context(what.to_string()) }
    }

    /// A component whose run gave no exit code.
    pub(crate) fn of_run(error: RunError, component: &str) -> Self {
        let (exit, code) = match &error {
            RunError::GaveUp(_) => (Exit::Failed, "failed"),
            RunError::TimedOut { .. } => (Exit::TimedOut, "timed-out"),
            RunError::OutOfMemory { .. } => (Exit::HostError, "out-of-memory"),
            RunError::Trapped(_) => (Exit::HostError, "trapped"),
            RunError::Leftovers(_) | RunError::StillUnderWay => (Exit::HostError, "host-error"),
        };
        Self { exit, code, error: anyhow::Error::new(error).context(format!("component `{component}`")) }
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// As data.
    pub(crate) fn report(&self) -> FailureReport {
        FailureReport { error: self.as_data(), exit_code: self.exit.code() }
    }

    /// The error alone, for a report that holds more.
    pub(crate) fn as_data(&self) -> ErrorReport {
        let rule = match self.error.downcast_ref() {
            Some(Error::Denied(denial)) => Some(denial.rule.clone()),
            _ => None,
        };
        ErrorReport { code: self.code, rule, message: self.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// A failure as data.
#[derive(Debug, Serialize)]
pub(crate) struct FailureReport {
    error: ErrorReport,
    exit_code: u8,
}

/// What failed.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorReport {
    /// Stable, for programs: one of the domain's codes, `failed`, `trapped`, `out-of-memory` of a component, or
    /// `host-error`.
    code: &'static str,
    /// Which rule denied it.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// For people.
    message: String,
}
