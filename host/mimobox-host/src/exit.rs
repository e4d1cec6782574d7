//! The exit code: how a caller in a shell learns what became of the program.
//!
//! `exec` and `run` end as what they ran ended, so the codes of the host itself are those that env(1), timeout(1) and the
//! shells use for the same reasons, and no ordinary program uses.

use std::process::ExitCode;

use mimobox_sandbox::{Error, ExitStatus};

const FAILED: u8 = 1;
const TIMED_OUT: u8 = 124;
const HOST_ERROR: u8 = 125;
const DENIED: u8 = 126;
const NOT_FOUND: u8 = 127;
const SIGNAL_BASE: u8 = 128;
/// What the kernel sends when memory runs out.
const SIGKILL: u8 = 9;

/// Why this program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well.
    Success,
    /// The answer is no: `doctor` found that no sandbox can be made, a component said that it failed.
    Failed,
    /// As the program did.
    Program(ExitStatus),
    /// As the component said.
    Component(u8),
    /// What ran took longer than it may.
    TimedOut,
    /// The host could not do its part: its arguments, its configuration, the backend, the component.
    HostError,
    /// The ceiling, a policy, a pinned digest or a grant refused it; or the program may not be executed.
    Denied,
    /// No such program.
    NotFound,
    /// By a signal to the host; its number.
    Interrupted(u8),
}

impl Exit {
    /// What the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => FAILED,
            Self::Program(ExitStatus::Exited(code)) | Self::Component(code) => code,
            Self::Program(ExitStatus::Signaled(number)) | Self::Interrupted(number) => {
                SIGNAL_BASE.saturating_add(number)
            }
            Self::Program(ExitStatus::OutOfMemory) => SIGNAL_BASE + SIGKILL,
            Self::Program(ExitStatus::TimedOut) | Self::TimedOut => TIMED_OUT,
            Self::HostError => HOST_ERROR,
            Self::Denied => DENIED,
            Self::NotFound => NOT_FOUND,
        }
    }

    /// For a command that did not start or whose end is not known.
    ///
    /// Exhaustive on purpose: a new error forces a decision here.
    pub(crate) fn of_error(error: &Error) -> Self {
        match error {
            Error::Denied(_) | Error::PermissionDenied | Error::IsADirectory => Self::Denied,
            Error::NotFound => Self::NotFound,
            Error::TimedOut => Self::TimedOut,
            Error::InvalidArgument(_)
            | Error::AlreadyExists
            | Error::NotADirectory
            | Error::DirectoryNotEmpty
            | Error::Unsupported(_)
            | Error::LimitReached(_)
            | Error::Gone
            | Error::Poisoned
            | Error::Failed(_) => Self::HostError,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gives_its_own_code() {
        assert_eq!(Exit::Program(ExitStatus::Exited(0)).code(), 0);
        assert_eq!(Exit::Program(ExitStatus::Exited(42)).code(), 42);
    }

    #[test]
    fn a_signal_gives_its_number_above_128() {
        assert_eq!(Exit::Program(ExitStatus::Signaled(15)).code(), 143);
        assert_eq!(Exit::Interrupted(2).code(), 130);
    }

    #[test]
    fn want_of_memory_looks_like_the_kernels_kill() {
        assert_eq!(Exit::Program(ExitStatus::OutOfMemory).code(), 137);
    }

    #[test]
    fn refusals_and_failures_have_the_codes_of_env_and_timeout() {
        assert_eq!(Exit::Program(ExitStatus::TimedOut).code(), 124);
        assert_eq!(Exit::of_error(&Error::TimedOut).code(), 124);
        assert_eq!(Exit::of_error(&Error::Poisoned).code(), 125);
        assert_eq!(Exit::of_error(&Error::denied("rule", "reason")).code(), 126);
        assert_eq!(Exit::of_error(&Error::PermissionDenied).code(), 126);
        assert_eq!(Exit::of_error(&Error::NotFound).code(), 127);
    }
}
