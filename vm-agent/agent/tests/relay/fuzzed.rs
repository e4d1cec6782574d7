//! Whatever bytes come over a control connection, the machine ends in order.

use std::io::Write as _;
use std::net::Shutdown;

use mimobox_mutation::{Xorshift, corpus_file};

use crate::harness::{Agent, set_up};

const ROUNDS: usize = 60;

/// What the wire format's own tests are made of.
fn corpus(name: &str) -> Vec<u8> {
    corpus_file("protocol_decode", name)
}

/// Says these bytes to a machine that nobody listens to, and waits for its end.
fn end_of(bytes: &[u8]) -> Option<i32> {
    let (mut agent, mut control) = Agent::bare();
    // It may be gone before it has taken everything.
    let _ = control.write_all(bytes);
    let _ = control.shutdown(Shutdown::Write);
    agent.wait()
}

#[test]
fn changed_set_ups_end_the_machine_in_order() {
    let mut random = Xorshift::first();
    for _ in 0..ROUNDS {
        let mut bytes = corpus("set_ups");
        random.change(&mut bytes, 3);
        // Killed by a signal it would have no code.
        assert!(matches!(end_of(&bytes), Some(0 | 1)), "{bytes:?}");
    }
}

#[test]
fn changed_requests_end_the_machine_in_order() {
    let mut random = Xorshift::second();
    let greeting = [mimobox_protocol::encode(&set_up()).unwrap(), corpus("hello")].concat();
    for _ in 0..ROUNDS {
        // What begins with a spawn waits for its streams; what is in the middle does not.
        let requests = corpus("requests");
        let mut bytes = requests[random.below(requests.len())..].to_vec();
        random.change(&mut bytes, 3);
        assert!(matches!(end_of(&[&greeting[..], &bytes].concat()), Some(0 | 1)), "{bytes:?}");
    }
}
