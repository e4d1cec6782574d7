//! What a command left when it ended.

use std::borrow::Cow;
use std::time::Duration;

use mimobox_sandbox::{ExitStatus, Finished};

/// The end of a command and all that it wrote.
///
/// That it failed is no error of this crate: a compiler that finds a mistake has an [`exit_code`](Self::exit_code) of 1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecuteResult {
    /// Standard output, whole.
    pub stdout: Vec<u8>,
    /// Standard error, whole.
    pub stderr: Vec<u8>,
    /// Its exit code; none where a signal, its deadline or want of memory ended it.
    pub exit_code: Option<i32>,
    /// Whether it was killed at its deadline.
    pub timed_out: bool,
    /// From the request to the end.
    pub elapsed: Duration,
    /// How it ended, in full.
    pub status: ExitStatus,
}

impl ExecuteResult {
    /// Whether it ended by itself, with exit code 0.
    pub fn success(&self) -> bool {
        self.exit_code == Some(0)
    }

    /// Standard output as text; bytes that are no UTF-8 are replaced.
    pub fn stdout_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stdout)
    }

    /// Standard error as text; bytes that are no UTF-8 are replaced.
    pub fn stderr_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stderr)
    }
}

impl From<Finished> for ExecuteResult {
    fn from(finished: Finished) -> Self {
        let Finished { stdout, stderr, status, elapsed } = finished;
        let exit_code = match status {
            ExitStatus::Exited(code) => Some(i32::from(code)),
            ExitStatus::Signaled(_) | ExitStatus::TimedOut | ExitStatus::OutOfMemory => None,
        };
        Self { stdout, stderr, exit_code, timed_out: status == ExitStatus::TimedOut, elapsed, status }
    }
}
