//! The fuzz target's check, bounded: on messages that are whole, and on what a fixed generator makes of them.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation ends the test"
)]

#[path = "../../../tests/fuzz/checks/vmm_control.rs"]
mod vmm_control;

use mimobox_vmm_protocol::{
    Account, Bytes, Config, Disk, End, Event, Failure, InternalError, JailLine, KernelFailure, Mechanism,
    Request, Start, StateFailure, Template, Usage, encode,
};

const ROUNDS: usize = 20_000;

fn corpus() -> Vec<Vec<u8>> {
    let config = Config {
        memory: 256 << 20,
        vcpus: 2,
        template: Template::Native,
        command_line: "quiet root=/dev/vda".into(),
        disks: vec![Disk { capacity: 1 << 40 }, Disk { capacity: 512 }],
        start: Start::Restore,
        account: Some(Account { user: 1000, group: 1000 }),
        tolerated: vec![Mechanism::NetworkNamespace],
    };
    let line = JailLine { mechanism: Mechanism::EmptyRoot, in_force: true, detail: "empty".into() };
    let error = InternalError { suberror: 1, instruction_pointer: u64::MAX, bytes: Bytes::new(&[0x90; 15]) };
    let requests = [Request::Configure(config), Request::Save, Request::Stop];
    let events = [
        Event::Jailed(vec![line; 13]),
        Event::Saved { bytes: 70_000 },
        Event::Usage(Usage { resident: u64::MAX, ..Usage::default() }),
        Event::Failed(Failure::Kernel(KernelFailure::Architecture { machine: 183 })),
        Event::Failed(Failure::State(StateFailure::Template(Template::Pvm))),
        Event::Ended(End::InternalError(error)),
    ];
    let requests = requests.iter().map(|request| encode(request).unwrap());
    requests.chain(events.iter().map(|event| encode(event).unwrap())).collect()
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
fn whole_messages_pass() {
    corpus().iter().for_each(|packet| vmm_control::check(packet));
}

#[test]
fn changed_messages_pass() {
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
        vmm_control::check(&bytes);
    }
}

#[test]
fn random_bytes_pass() {
    let mut random = Xorshift(0x2545_F491_4F6C_DD1D);
    for _ in 0..ROUNDS {
        let length = random.below(64);
        let bytes: Vec<_> = std::iter::repeat_with(|| random.byte()).take(length).collect();
        vmm_control::check(&bytes);
    }
}
