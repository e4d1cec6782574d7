//! How far a long part is: one line that is rewritten on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two lines in a log.
const IN_LOG: Duration = Duration::from_secs(20);
/// Between two changes on a terminal.
const ON_TERMINAL: Duration = Duration::from_millis(200);

/// Counts the steps of one part.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    unit: &'static str,
    /// About how many there will be.
    expected: u64,
    done: u64,
    since: Instant,
    shown: Instant,
    terminal: bool,
}

impl Progress {
    /// `kernel: compiling`, of about 900 `objects`.
    pub(crate) fn new(what: &'static str, unit: &'static str, expected: u64) -> Self {
        let now = Instant::now();
        Self {
            what,
            unit,
            expected,
            done: 0,
            since: now,
            shown: now,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// One more is done.
    pub(crate) fn step(&mut self) {
        self.done += 1;
        if self.shown.elapsed() >= if self.terminal { ON_TERMINAL } else { IN_LOG } {
            self.shown = Instant::now();
            self.show();
        }
    }

    /// All is done.
    pub(crate) fn finish(self) {
        self.show();
        if self.terminal {
            eprintln!();
        }
    }

    fn show(&self) {
        let Self { what, unit, expected, done, since, .. } = self;
        let line = format!("{what}: {done} of about {expected} {unit}, {} s", since.elapsed().as_secs());
        if self.terminal {
            eprint!("\r{line}\x1b[K");
            // A line that is late is no failure.
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("{line}");
        }
    }
}
