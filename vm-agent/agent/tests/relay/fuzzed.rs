//! Whatever bytes come over a control connection, the machine ends in order.

use std::fs;
use std::io::Write as _;
use std::net::Shutdown;
use std::path::Path;

use crate::harness::{Agent, set_up};

const ROUNDS: usize = 60;

/// Marsaglia's xorshift: the same numbers in every run.
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// What the wire format's own tests are made of.
fn corpus(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/protocol_decode");
    fs::read(folder.join(name)).unwrap()
}

/// Changes a few bytes, or cuts the end off.
fn change(bytes: &mut Vec<u8>, random: &mut Xorshift) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 if at > 0 => bytes.truncate(at),
            1 => bytes.insert(at, u8::try_from(random.below(256)).unwrap()),
            _ => bytes[at] ^= u8::try_from(1 + random.below(255)).unwrap(),
        }
    }
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
    let mut random = Xorshift(0x5DEE_CE66_D1CE_4E5B);
    for _ in 0..ROUNDS {
        let mut bytes = corpus("set_ups");
        change(&mut bytes, &mut random);
        // Killed by a signal it would have no code.
        assert!(matches!(end_of(&bytes), Some(0 | 1)), "{bytes:?}");
    }
}

#[test]
fn changed_requests_end_the_machine_in_order() {
    let mut random = Xorshift(0x2545_F491_4F6C_DD1D);
    let greeting = [mimobox_protocol::encode(&set_up()).unwrap(), corpus("hello")].concat();
    for _ in 0..ROUNDS {
        // What begins with a spawn waits for its streams; what is in the middle does not.
        let requests = corpus("requests");
        let mut bytes = requests[random.below(requests.len())..].to_vec();
        change(&mut bytes, &mut random);
        assert!(matches!(end_of(&[&greeting[..], &bytes].concat()), Some(0 | 1)), "{bytes:?}");
    }
}
