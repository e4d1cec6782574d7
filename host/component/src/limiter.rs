//! How much memory the instances of one store may hold, all together.

use wasmtime::{ResourceLimiter, Result};

/// Bytes that a table element takes.
const ELEMENT: usize = size_of::<usize>();

/// Counts linear memories and tables against one limit in bytes, and remembers when it had to say no.
pub(crate) struct Limiter {
    most: usize,
    used: usize,
    /// What was asked for last, to be given back if wasmtime cannot make it so.
    last: usize,
    exhausted: bool,
}

impl Limiter {
    pub(crate) fn new(most: u64) -> Self {
        Self { most: usize::try_from(most).unwrap_or(usize::MAX), used: 0, last: 0, exhausted: false }
    }

    /// Whether it ever said no: a guest that traps after that most likely ran out of memory.
    pub(crate) fn exhausted(&self) -> bool {
        self.exhausted
    }

    fn grow(&mut self, bytes: usize) -> bool {
        self.last = 0;
        match self.used.checked_add(bytes) {
            Some(used) if used <= self.most => {
                self.used = used;
                self.last = bytes;
                true
            }
            _ => {
                self.exhausted = true;
                false
            }
        }
    }

    fn give_back(&mut self) {
        self.used = self.used.saturating_sub(std::mem::take(&mut self.last));
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> Result<()> {
        self.give_back();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(self.grow(desired.saturating_sub(current).saturating_mul(ELEMENT)))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> Result<()> {
        self.give_back();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut limiter = Limiter::new(100 * 1024);
        assert!(limiter.memory_growing(0, 64 * 1024, None).unwrap());
        assert!(limiter.table_growing(0, 4096, None).unwrap());
        assert!(!limiter.exhausted());
        assert!(!limiter.memory_growing(0, 64 * 1024, None).unwrap());
        assert!(limiter.exhausted());
    }

    #[test]
    fn what_could_not_be_made_is_not_counted() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 100, None).unwrap());
        limiter.memory_grow_failed(wasmtime::Error::msg("no room")).unwrap();
        assert!(limiter.memory_growing(0, 100, None).unwrap());
    }
}
