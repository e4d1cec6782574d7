//! The fuzz target's check, bounded: on its corpus, and on what a fixed generator makes of that.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../../tests/fuzz/checks/protocol_decode.rs"]
mod protocol_decode;

use mimobox_mutation::{Xorshift, corpus};

const ROUNDS: usize = 20_000;

#[test]
fn the_corpus_passes() {
    let corpus = corpus("protocol_decode");
    assert!(corpus.len() >= 3);
    corpus.iter().for_each(|bytes| protocol_decode::check(bytes));
}

#[test]
fn changed_corpus_passes() {
    let corpus = corpus("protocol_decode");
    let mut random = Xorshift::first();
    for _ in 0..ROUNDS {
        let mut bytes = corpus[random.below(corpus.len())].clone();
        random.change(&mut bytes, 4);
        protocol_decode::check(&bytes);
    }
}

#[test]
fn random_bytes_pass() {
    let mut random = Xorshift::second();
    for _ in 0..ROUNDS {
        // A plausible length first, or hardly anything would get past it.
        let length = random.below(64);
        let mut bytes = vec![u8::try_from(length).unwrap(), 0, 0, 0];
        bytes.extend(random.bytes(length));
        protocol_decode::check(&bytes);
    }
}
