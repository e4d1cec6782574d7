//! A command that failed: what to tell the user, and which exit code says it to a shell.

use std::fmt;

use mimobox_sandbox::Error;
use serde::Serialize;

use crate::exit::Exit;

/// What every command gives back.
pub(crate) type Outcome<T = Exit> = Result<T, Failure>;

/// An error on its way to the user. Anything that `?` meets is the host's own fault, unless it is said otherwise.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// The host's own fault.
    pub(crate) fn new(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::HostError, error: error.into() }
    }

    /// Something that the operator forbade.
    pub(crate) fn refused(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Denied, error: error.into() }
    }

    /// A command that could not be started, or whose end is not known.
    pub(crate) fn of_command(error: Error, what: impl fmt::Display) -> Self {
        Self { exit: Exit::of_error(&error), error: anyhow::Error::new(error).context(what.to_string()) }
    }

    /// A sandbox that could not be made. That the host lacks an image is no missing program.
    pub(crate) fn of_sandbox(error: Error, what: impl fmt::Display) -> Self {
        let exit = if matches!(error, Error::Denied(_)) { Exit::Denied } else { Exit::HostError };
        Self { exit, error: anyhow::Error::new(error).context(what.to_string()) }
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// As data.
    pub(crate) fn report(&self) -> FailureReport<'_> {
        let cause = self.error.downcast_ref::<Error>();
        FailureReport {
            error: ErrorReport {
                code: cause.map_or("host-error", Error::code),
                rule: cause.and_then(|cause| match cause {
                    Error::Denied(denial) => Some(denial.rule.as_str()),
                    _ => None,
                }),
                message: format!("{:#}", self.error),
            },
            exit_code: self.exit.code(),
        }
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

/// A failure as data: `{"error": {"code": …, "message": …}, "exit_code": …}`.
#[derive(Debug, Serialize)]
pub(crate) struct FailureReport<'a> {
    error: ErrorReport<'a>,
    exit_code: u8,
}

#[derive(Debug, Serialize)]
struct ErrorReport<'a> {
    /// One of the domain's codes, or `host-error`.
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    message: String,
}
