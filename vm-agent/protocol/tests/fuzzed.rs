//! The fuzz target's check, bounded: on its corpus, and on what a fixed generator makes of that.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../../tests/fuzz/checks/protocol_decode.rs"]
mod protocol_decode;

use std::fs;
use std::path::Path;

const ROUNDS: usize = 20_000;

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/protocol_decode");
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

#[test]
fn the_corpus_passes() {
    let corpus = corpus();
    assert!(corpus.len() >= 3);
    corpus.iter().for_each(|bytes| protocol_decode::check(bytes));
}

#[test]
fn changed_corpus_passes() {
    let corpus = corpus();
    let mut random = Xorshift(0x5DEE_CE66_D1CE_4E5B);
    for _ in 0..ROUNDS {
        let mut bytes = corpus[random.below(corpus.len())].clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len() + 1);
            match random.below(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, random.byte()),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= random.byte()),
            }
        }
        protocol_decode::check(&bytes);
    }
}

#[test]
fn random_bytes_pass() {
    let mut random = Xorshift(0x2545_F491_4F6C_DD1D);
    for _ in 0..ROUNDS {
        // A plausible length first, or hardly anything would get past it.
        let length = random.below(64);
        let mut bytes = vec![u8::try_from(length).unwrap(), 0, 0, 0];
        bytes.extend(std::iter::repeat_with(|| random.byte()).take(length));
        protocol_decode::check(&bytes);
    }
}
