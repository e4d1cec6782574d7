//! The fuzz target's check, bounded: on messages that are whole, and on what a fixed generator makes of them.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation ends the test"
)]

#[path = "../../../tests/fuzz/checks/vmm_control.rs"]
mod vmm_control;

use mimobox_mutation::Xorshift;
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

#[test]
fn whole_messages_pass() {
    corpus().iter().for_each(|packet| vmm_control::check(packet));
}

#[test]
fn changed_messages_pass() {
    let corpus = corpus();
    let mut random = Xorshift::first();
    for _ in 0..ROUNDS {
        let mut bytes = corpus[random.below(corpus.len())].clone();
        random.change(&mut bytes, 4);
        vmm_control::check(&bytes);
    }
}

#[test]
fn random_bytes_pass() {
    let mut random = Xorshift::second();
    for _ in 0..ROUNDS {
        let length = random.below(64);
        vmm_control::check(&random.bytes(length));
    }
}
