//! A program's output, taken as it comes: what is kept of it, and when it is too much.
//!
//! Not by `Command::output`: past the operator's limit that gives nothing at all, and the first line of an endless output
//! is worth reading.

use std::time::Duration;

use mimobox_guest::clock::Instant;

use mimobox_guest::{Command, Error, Event, ExitStatus, Result};

/// Kept of one program, on both outputs together. Some programs run at a time, and all of it is in the judge's memory.
const LIMIT: usize = 1 << 20;

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Capture {
    /// None: it wrote too much and was killed.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) elapsed: Duration,
    pub(crate) output: Kept,
}

/// Output, up to a limit.
#[derive(Debug)]
pub(crate) struct Kept {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    room: usize,
}

/// Runs it to its end, or to the limit.
pub(crate) async fn run(command: Command<'_>) -> Result<Capture> {
    let started = Instant::now();
    let process = command.spawn().await?;
    let mut events = process.events();
    let mut output = Kept::new(LIMIT);
    while let Some(event) = events.next().await? {
        let fits = match event {
            Event::Stdout(bytes) => output.keep_stdout(&bytes),
            Event::Stderr(bytes) => output.keep_stderr(&bytes),
            Event::Ended(status) => {
                return Ok(Capture { status: Some(status), elapsed: started.elapsed(), output });
            }
        };
        if !fits {
            // The process is dropped here, and that kills it.
            return Ok(Capture { status: None, elapsed: started.elapsed(), output });
        }
    }
    // The end is always the last event: without it, the host let go of the process.
    Err(Error::Gone)
}

impl Kept {
    fn new(limit: usize) -> Self {
        Self { stdout: Vec::new(), stderr: Vec::new(), room: limit }
    }

    /// Whether all of it had room.
    fn keep_stdout(&mut self, bytes: &[u8]) -> bool {
        keep(&mut self.stdout, &mut self.room, bytes)
    }

    /// Whether all of it had room.
    fn keep_stderr(&mut self, bytes: &[u8]) -> bool {
        keep(&mut self.stderr, &mut self.room, bytes)
    }

    /// Standard output as text; what is not UTF-8 is replaced.
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The first line that says something, on standard output or else on standard error.
    pub(crate) fn first_line(&self) -> String {
        let outputs = [&self.stdout, &self.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        let mut lines = outputs.iter().flat_map(|text| text.lines());
        lines.find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
    }
}

fn keep(kept: &mut Vec<u8>, room: &mut usize, bytes: &[u8]) -> bool {
    let fitting = bytes.get(..*room).unwrap_or(bytes);
    kept.extend_from_slice(fitting);
    *room -= fitting.len();
    fitting.len() == bytes.len()
}

#[cfg(test)]
mod tests {
    use super::Kept;

    #[test]
    fn both_outputs_share_one_limit() {
        let mut kept = Kept::new(5);
        assert!(kept.keep_stdout(b"abc"));
        assert!(kept.keep_stderr(b"de"));
        assert!(kept.keep_stderr(b""));
        assert!(!kept.keep_stdout(b"f"));
        assert_eq!((kept.stdout.as_slice(), kept.stderr.as_slice()), (&b"abc"[..], &b"de"[..]));
    }

    #[test]
    fn what_fits_of_too_much_is_kept() {
        let mut kept = Kept::new(4);
        assert!(!kept.keep_stdout(b"abcdef"));
        assert_eq!(kept.stdout(), "abcd");
    }

    #[test]
    fn first_line_says_something_and_standard_output_goes_first() {
        let mut kept = Kept::new(100);
        assert_eq!(kept.first_line(), "");
        kept.keep_stderr(b"warning\n");
        assert_eq!(kept.first_line(), "warning");
        kept.keep_stdout(b"\n  \nanswer\nmore\n");
        assert_eq!(kept.first_line(), "answer");
    }
}
