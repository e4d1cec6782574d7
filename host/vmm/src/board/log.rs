//! Where the serial port's output goes: a pipe to the host, which may be slow, full or gone.
//!
//! The guest decides how much it says, so the host decides how much of it is passed on: what exceeds the rate, or finds the
//! pipe full, is dropped and counted, and a line says so when there is room again.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::write;

/// Bytes that may be said at once: more than a kernel says while it starts, with all its messages.
const BURST: u64 = 128 * 1024;
/// Bytes a second after that.
const RATE: u64 = 8 * 1024;
/// Most bytes that wait for the end of their line.
const LINE: usize = 256;

/// The log. Writing to it never fails and never waits.
#[derive(Debug)]
pub(crate) struct Log {
    pipe: OwnedFd,
    line: Vec<u8>,
    budget: u64,
    counted: Instant,
    dropped: u64,
}

impl Log {
    /// Into this pipe, which is made not to block.
    ///
    /// # Errors
    /// Those of fcntl(2).
    pub(crate) fn new(pipe: OwnedFd) -> Result<Self, rustix::io::Errno> {
        fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
        Ok(Self { pipe, line: Vec::new(), budget: BURST, counted: Instant::now(), dropped: 0 })
    }

    /// Passes on what waits for the end of its line.
    pub(crate) fn finish(&mut self) {
        self.pass_on();
    }

    fn push(&mut self, byte: u8) {
        self.line.push(byte);
        if byte == b'\n' || self.line.len() >= LINE {
            self.pass_on();
        }
    }

    fn pass_on(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !self.afford(line.len()) {
            self.dropped += line.len() as u64;
            return;
        }
        if self.dropped > 0 {
            let notice = format!("[{} bytes dropped]\n", self.dropped);
            if !self.put(notice.as_bytes()) {
                self.dropped += line.len() as u64;
                return;
            }
            self.dropped = 0;
        }
        if !self.put(&line) {
            self.dropped += line.len() as u64;
        }
        self.line = line;
        self.line.clear();
    }

    /// Whole or not at all: a pipe takes up to `PIPE_BUF` bytes so.
    fn put(&self, bytes: &[u8]) -> bool {
        write(&self.pipe, bytes).is_ok()
    }

    fn afford(&mut self, bytes: usize) -> bool {
        let now = Instant::now();
        let earned = u64::try_from(now.duration_since(self.counted).as_millis()).unwrap_or(u64::MAX);
        let earned = earned.saturating_mul(RATE) / 1000;
        if earned > 0 {
            self.budget = self.budget.saturating_add(earned).min(BURST);
            self.counted = now;
        }
        let wanted = bytes as u64;
        let can = wanted <= self.budget;
        if can {
            self.budget -= wanted;
        }
        can
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            self.push(*byte);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

    use std::io::Read;

    use super::*;

    fn log() -> (std::fs::File, Log) {
        let (read, write) = rustix::pipe::pipe().unwrap();
        fcntl_setfl(&read, OFlags::NONBLOCK).unwrap();
        (read.into(), Log::new(write).unwrap())
    }

    fn said(read: &mut std::fs::File) -> Vec<u8> {
        let (mut all, mut part) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = read.read(&mut part) {
            all.extend_from_slice(part.get(..count).unwrap());
        }
        all
    }

    #[test]
    fn lines_are_passed_on_when_they_end() {
        let (mut read, mut log) = log();
        log.write_all(b"first\nsec").unwrap();
        assert_eq!(said(&mut read), b"first\n");
        log.finish();
        assert_eq!(said(&mut read), b"sec");
    }

    #[test]
    fn a_full_pipe_neither_blocks_nor_fails_and_is_told_of_later() {
        let (mut read, mut log) = log();
        // A pipe holds 64 KiB.
        for _ in 0..1100 {
            log.write_all(&[b'x'; 63]).unwrap();
            log.write_all(b"\n").unwrap();
        }
        assert_eq!(said(&mut read).len(), 64 * 1024);
        log.write_all(b"again\n").unwrap();
        assert_eq!(said(&mut read), b"[4864 bytes dropped]\nagain\n");
    }

    #[test]
    fn a_flood_is_bounded_by_the_rate_even_if_somebody_reads() {
        let (mut read, mut log) = log();
        let (begin, mut passed, flood) = (Instant::now(), 0, 4 * BURST);
        for _ in 0..flood / 64 {
            log.write_all(&[b'\n'; 64]).unwrap();
            passed += said(&mut read).len() as u64;
        }
        let most = BURST + RATE * (begin.elapsed().as_secs() + 1);
        assert!(passed <= most, "{passed} of {most}");
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure() {
        let (read, mut log) = log();
        drop(read);
        log.write_all(b"nobody hears this\n").unwrap();
    }
}
