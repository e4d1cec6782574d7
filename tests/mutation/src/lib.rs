//! What bounded fuzz tests are made of: the corpora of `tests/fuzz`, a fixed generator, and what it makes of bytes.
#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

/// Marsaglia's xorshift: the same numbers in every run.
#[derive(Clone, Debug)]
pub struct Xorshift(u64);

impl Xorshift {
    /// For the first of a test's loops.
    pub fn first() -> Self {
        Self(0x5DEE_CE66_D1CE_4E5B)
    }

    /// For another, which shall not see the same numbers.
    pub fn second() -> Self {
        Self(0x2545_F491_4F6C_DD1D)
    }

    /// The next number.
    #[allow(clippy::should_implement_trait, reason = "there is no end to iterate to")]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below this one, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.byte()).take(length).collect()
    }

    /// Makes one to `most` changes: cuts the end off, puts a byte in, takes one out, or gives one another value.
    pub fn change(&mut self, bytes: &mut Vec<u8>, most: usize) {
        for _ in 0..=self.below(most) {
            let at = self.below(bytes.len() + 1);
            match self.below(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.byte()),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= self.byte()),
            }
        }
    }
}

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target)
}

/// The files of a fuzz target's corpus, by their names' order.
pub fn corpus(target: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<_> =
        fs::read_dir(folder(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

/// One file of it.
pub fn corpus_file(target: &str, name: &str) -> Vec<u8> {
    fs::read(folder(target).join(name)).unwrap()
}
