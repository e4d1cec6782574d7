//! What goes on, on standard error: one changing line on a terminal, one line a program elsewhere if asked for.

use std::cell::Cell;

use mimobox_guest::{eprint, eprintln};

use crate::outcome::Outcome;
use crate::printable::printable;
use crate::submissions::Submission;

const TO_START_AND_CLEAR: &str = "\r\x1b[K";

pub(crate) struct Progress {
    display: Display,
    total: usize,
    done: Cell<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Display {
    Nothing,
    OneLine,
    Lines,
}

impl Progress {
    /// `asked`: for progress even where nobody sees a line change.
    pub(crate) fn new(asked: bool, total: usize) -> Self {
        let display = match (mimobox_guest::print::err_is_terminal(), asked) {
            (true, _) => Display::OneLine,
            (false, true) => Display::Lines,
            (false, false) => Display::Nothing,
        };
        Self { display, total, done: Cell::new(0) }
    }

    pub(crate) fn began(&self, submission: &Submission) {
        if self.display == Display::OneLine {
            let name = printable(&submission.name);
            let (done, total) = (self.done.get(), self.total);
            eprint!("{TO_START_AND_CLEAR}[{done}/{total}] {name} …");
        }
    }

    pub(crate) fn ended(&self, submission: &Submission, outcome: &Outcome) {
        let name = printable(&submission.name);
        let (done, total) = (self.done.get() + 1, self.total);
        self.done.set(done);
        match self.display {
            Display::Nothing => {}
            Display::OneLine => eprint!("{TO_START_AND_CLEAR}[{done}/{total}] {name} {outcome}"),
            Display::Lines => eprintln!("[{done}/{total}] {name} {outcome}"),
        }
    }

    /// Leaves the terminal as it was.
    pub(crate) fn finished(&self) {
        if self.display == Display::OneLine {
            eprint!("{TO_START_AND_CLEAR}");
        }
    }
}
