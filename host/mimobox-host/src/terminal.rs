//! The user's own terminal: raw while a session has it, and as it was afterwards.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use mimobox_sandbox::TerminalSize;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// Where nothing says how large a terminal is: what the first ones were.
const USUAL: TerminalSize = TerminalSize { columns: 80, rows: 24 };

/// The terminal on standard input in raw mode: every key is the session's, Ctrl-C too. Dropped, it is as it was.
#[derive(Debug)]
pub(crate) struct Raw {
    /// None where standard input is no terminal.
    before: Option<Termios>,
}

impl Raw {
    /// Makes it raw, if standard input is a terminal.
    ///
    /// # Errors
    /// The kernel refuses, as it does where the terminal was hung up.
    pub(crate) fn enter() -> io::Result<Self> {
        if !is_terminal() {
            return Ok(Self { before: None });
        }
        let raw = Self { before: Some(tcgetattr(io::stdin().as_fd())?) };
        raw.again()?;
        Ok(raw)
    }

    /// Makes it raw once more: a shell that had this program stopped has set it to its own liking.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn again(&self) -> io::Result<()> {
        if let Some(before) = &self.before {
            let mut raw = before.clone();
            raw.make_raw();
            tcsetattr(io::stdin().as_fd(), OptionalActions::Drain, &raw)?;
        }
        Ok(())
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Nothing is left to do where the terminal itself is gone.
            let _ = tcsetattr(io::stdin().as_fd(), OptionalActions::Flush, before);
        }
    }
}

/// Whether somebody types on standard input.
pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// The size of the terminal on standard input, or the usual one.
pub(crate) fn size() -> TerminalSize {
    match tcgetwinsize(io::stdin().as_fd()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            TerminalSize { columns: size.ws_col, rows: size.ws_row }
        }
        _ => USUAL,
    }
}
