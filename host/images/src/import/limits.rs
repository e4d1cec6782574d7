//! How much an import may bring, and what is left of it: a few kilobytes of gzip can hold terabytes.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

/// What the kernel takes as a path (PATH_MAX, without its NUL).
pub(crate) const LONGEST_PATH: usize = 4095;

/// How much one import may bring. Who writes the source is not trusted to stop by himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What all layers hold together once they are decompressed. Sparse files count whole.
    pub bytes: u64,
    /// Files, directories and links of all layers together.
    pub entries: u64,
    /// Names in one path; at most [`Limits::DEEPEST`].
    pub depth: usize,
    /// Bytes in one path; at most 4095.
    pub path: usize,
}

impl Limits {
    /// Each level of a tree that is walked holds a descriptor open, and a process has 1024 of them.
    pub const DEEPEST: usize = 256;
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 16 << 30, entries: 1_000_000, depth: 128, path: LONGEST_PATH }
    }
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitReached {
    /// Of bytes.
    #[error("it holds more than {0} bytes")]
    Bytes(u64),
    /// Of entries.
    #[error("it holds more than {0} files, directories and links")]
    Entries(u64),
    /// Of layers.
    #[error("it has more than {0} layers")]
    Layers(usize),
}

/// Why an import may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error(transparent)]
    Limit(#[from] LimitReached),
    #[error("it was called off")]
    CalledOff,
}

/// What is left of the limits in one import.
#[derive(Debug)]
pub(crate) struct Budget<'a> {
    limits: Limits,
    /// To be written yet.
    bytes: u64,
    /// To be decompressed yet. Apart from `bytes`: a stream holds headers and padding besides contents.
    streamed: u64,
    entries: u64,
    called_off: &'a AtomicBool,
}

impl<'a> Budget<'a> {
    pub(crate) fn new(limits: Limits, called_off: &'a AtomicBool) -> Self {
        let limits = Limits {
            depth: limits.depth.min(Limits::DEEPEST),
            path: limits.path.min(LONGEST_PATH),
            ..limits
        };
        Self { limits, bytes: limits.bytes, streamed: limits.bytes, entries: limits.entries, called_off }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes one entry, which the caller is about to make.
    pub(crate) fn take_entry(&mut self) -> Result<(), Stop> {
        self.go_on()?;
        self.entries = self.entries.checked_sub(1).ok_or(LimitReached::Entries(self.limits.entries))?;
        Ok(())
    }

    /// Takes as many bytes, which the caller is about to write.
    pub(crate) fn take_bytes(&mut self, bytes: u64) -> Result<(), Stop> {
        self.go_on()?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or(LimitReached::Bytes(self.limits.bytes))?;
        Ok(())
    }

    /// Passes on what is left to be decompressed, and not one byte more. [`Budget::streamed`] settles it.
    pub(crate) fn bounded<R: Read>(&self, inner: R) -> Bounded<'a, R> {
        Bounded {
            inner,
            passed: 0,
            ended: false,
            left: self.streamed,
            reached: LimitReached::Bytes(self.limits.bytes),
            called_off: self.called_off,
        }
    }

    /// Takes what passed through a bounded reader.
    pub(crate) fn streamed(&mut self, passed: u64) {
        self.streamed = self.streamed.saturating_sub(passed);
    }

    /// Whether somebody called the import off.
    pub(crate) fn go_on(&self) -> Result<(), Stop> {
        if self.called_off.load(Ordering::Relaxed) { Err(Stop::CalledOff) } else { Ok(()) }
    }
}

/// Passes bytes on up to a limit. One more is an error ([`Stop`] within), and not the end of a file.
#[derive(Debug)]
pub(crate) struct Bounded<'a, R> {
    inner: R,
    passed: u64,
    ended: bool,
    left: u64,
    reached: LimitReached,
    called_off: &'a AtomicBool,
}

impl<R> Bounded<'_, R> {
    /// Bytes so far.
    pub(crate) fn passed(&self) -> u64 {
        self.passed
    }

    /// Whether there is nothing more.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.called_off.load(Ordering::Relaxed) {
            return Err(io::Error::other(Stop::CalledOff));
        }
        let read = self.inner.read(into)?;
        self.ended = read == 0 && !into.is_empty();
        self.passed += read as u64;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(Stop::Limit(self.reached))),
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static GOES_ON: AtomicBool = AtomicBool::new(false);

    #[test]
    fn what_is_left_shrinks_to_nothing() {
        let mut budget = Budget::new(Limits { bytes: 3, entries: 1, ..Limits::default() }, &GOES_ON);
        assert_eq!(budget.take_entry(), Ok(()));
        assert_eq!(budget.take_entry(), Err(Stop::Limit(LimitReached::Entries(1))));
        assert_eq!(budget.take_bytes(3), Ok(()));
        assert_eq!(budget.take_bytes(u64::MAX), Err(Stop::Limit(LimitReached::Bytes(3))));
    }

    #[test]
    fn one_byte_too_many_is_no_end_of_the_file() {
        let budget = Budget::new(Limits { bytes: 3, ..Limits::default() }, &GOES_ON);
        assert_eq!(io::copy(&mut budget.bounded(&b"123"[..]), &mut io::sink()).unwrap(), 3);
        let error = io::copy(&mut budget.bounded(&b"1234"[..]), &mut io::sink()).unwrap_err();
        assert_eq!(error.to_string(), "it holds more than 3 bytes");
    }

    #[test]
    fn an_import_that_was_called_off_reads_no_further() {
        let called_off = AtomicBool::new(true);
        let mut budget = Budget::new(Limits::default(), &called_off);
        assert_eq!(budget.take_entry(), Err(Stop::CalledOff));
        assert!(budget.bounded(&b"123"[..]).read(&mut [0; 1]).is_err());
    }
}
