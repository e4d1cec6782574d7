//! The fuzz target's check, bounded: on its corpus, and on what a fixed generator makes of that.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

#[path = "../../../tests/fuzz/checks/snapshot_file.rs"]
mod snapshot_file;

use std::fs;
use std::path::Path;

/// Each may bring a file to the disk.
const ROUNDS: usize = 1000;

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/snapshot_file");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Marsaglia's xorshift: the same numbers in every run.
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

// One test: they share a store, and look for what is left in it.
#[test]
fn the_corpus_and_what_is_changed_of_it_pass() {
    let corpus = corpus();
    assert!(corpus.len() >= 3);
    corpus.iter().for_each(|bytes| snapshot_file::check(bytes));

    let mut random = Xorshift(0x5DEE_CE66_D1CE_4E5B);
    for _ in 0..ROUNDS {
        let mut bytes = corpus[random.below(corpus.len())].clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len() + 1);
            match random.below(8) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, random.byte()),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                // Fields and tables are where most can go wrong, and are but a small part.
                3..6 => bytes.iter_mut().skip(at % 160).take(1).for_each(|byte| *byte ^= random.byte()),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= random.byte()),
            }
        }
        snapshot_file::check(&bytes);
    }
}
