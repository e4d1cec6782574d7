//! The fuzz target's check, bounded: on its corpus, and on what a fixed generator makes of that.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

#[path = "../../../tests/fuzz/checks/snapshot_file.rs"]
mod snapshot_file;

use mimobox_mutation::{Xorshift, corpus};

/// Each may bring a file to the disk.
const ROUNDS: usize = 1000;

// One test: they share a store, and look for what is left in it.
#[test]
fn the_corpus_and_what_is_changed_of_it_pass() {
    let corpus = corpus("snapshot_file");
    assert!(corpus.len() >= 3);
    corpus.iter().for_each(|bytes| snapshot_file::check(bytes));

    let mut random = Xorshift::first();
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
