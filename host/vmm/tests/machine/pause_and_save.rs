//! Standing still, and going on elsewhere.

use std::os::unix::fs::FileExt;

use mimobox_vmm_protocol::{Config, Disk, Event, Failure, Probe, Request, Start, StateFailure, Template};

use crate::need;
use crate::tiny::{self, running};
use crate::vmm::{Parts, Vmm, file_of, new_memory};

/// A machine that says the alphabet, stopped after it has said `c`; its state, its memory and all that it said.
pub(crate) fn saved(probe: &Probe) -> (Vec<u8>, Vmm, String) {
    let mut vmm = running(probe, tiny::ALPHABET);
    vmm.log_until("c\n");
    vmm.pause();
    let state = bytes_of(&vmm.save());
    let said = vmm.said().to_owned();
    (state, vmm, said)
}

fn bytes_of(file: &std::os::fd::OwnedFd) -> Vec<u8> {
    let file = std::fs::File::from(file.try_clone().unwrap());
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

pub(crate) fn restoring(probe: &Probe) -> Config {
    Config { start: Start::Restore, ..tiny::config(probe) }
}

pub(crate) fn parts(state: &[u8], from: &Vmm) -> Parts {
    Parts { start: file_of(state), memory: from.memory.try_clone().unwrap(), disks: Vec::new() }
}

/// The letter that follows the last whole line.
fn next_letter(said: &str) -> String {
    let last = said.trim_end().chars().last().unwrap();
    char::from_u32(u32::from(last) + 1).unwrap().to_string()
}

#[test]
fn a_paused_guest_says_nothing_and_goes_on_when_it_is_resumed() {
    let Some(probe) = need::kvm() else { return };
    let mut vmm = running(&probe, tiny::ALPHABET);
    vmm.log_until("a\n");
    vmm.pause();
    let (exits, said) = (vmm.usage().exits, vmm.said().len());
    assert_eq!((vmm.usage().exits, vmm.said().len()), (exits, said));
    vmm.send(&Request::Resume);
    assert_eq!(vmm.event(), Event::Resumed);
    vmm.log_until("z\n");
    vmm.stop();
}

#[test]
fn a_saved_guest_goes_on_in_another_process_from_where_it_was() {
    let Some(probe) = need::kvm() else { return };
    let (state, first, said) = saved(&probe);
    let mut second = Vmm::configured(&restoring(&probe), parts(&state, &first));
    second.run();
    let expected = next_letter(&said);
    assert!(second.log_until("\n").trim_start().starts_with(&expected), "{said:?}, then {:?}", second.said());
    second.log_until("z\na\n");
}

#[test]
fn many_guests_go_on_from_one_state_and_none_changes_the_memory_of_the_others() {
    let Some(probe) = need::kvm() else { return };
    let (state, first, said) = saved(&probe);
    let before = bytes_of(&first.memory);
    for _ in 0..3 {
        let mut again = Vmm::configured(&restoring(&probe), parts(&state, &first));
        again.run();
        assert!(again.log_until("\n").trim_start().starts_with(&next_letter(&said)));
        again.stop();
    }
    assert!(bytes_of(&first.memory) == before);
}

#[test]
fn a_guest_goes_on_after_it_was_saved() {
    let Some(probe) = need::kvm() else { return };
    let (_state, mut vmm, _said) = saved(&probe);
    vmm.send(&Request::Resume);
    assert_eq!(vmm.event(), Event::Resumed);
    vmm.log_until("z\n");
}

#[test]
fn the_memory_of_a_restored_guest_is_not_saved() {
    let Some(probe) = need::kvm() else { return };
    let (state, first, _said) = saved(&probe);
    let mut second = Vmm::configured(&restoring(&probe), parts(&state, &first));
    second.run();
    second.pause();
    second.send(&Request::Save);
    assert_eq!(second.event(), Event::Failed(Failure::State(StateFailure::PrivateMemory)));
    second.stop();
}

#[test]
fn a_state_of_another_machine_is_refused() {
    let Some(probe) = need::kvm() else { return };
    let (state, first, _said) = saved(&probe);
    let other = match probe.template {
        Template::Native => Template::Pvm,
        Template::Pvm => Template::Native,
    };
    let disk = vec![Disk { capacity: 512 }];
    for (config, disks, expected) in [
        (Config { template: other, ..restoring(&probe) }, Vec::new(), StateFailure::Template(probe.template)),
        (Config { memory: tiny::MEMORY - 4096, ..restoring(&probe) }, Vec::new(), StateFailure::Shape),
        (Config { disks: disk, ..restoring(&probe) }, vec![file_of(b"")], StateFailure::Shape),
    ] {
        if config.check().is_err() {
            continue;
        }
        let mut vmm = Vmm::start(&config, Parts { disks, ..parts(&state, &first) });
        assert!(matches!(vmm.event(), Event::Jailed(_)));
        assert_eq!(vmm.event(), Event::Failed(Failure::State(expected)));
        vmm.ends();
    }
}

#[test]
fn bytes_that_are_no_state_are_refused() {
    let Some(probe) = need::kvm() else { return };
    let (state, _first, _said) = saved(&probe);
    let mut flipped = state.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut newer = state.clone();
    newer[8] = 99;
    for (bytes, expected) in [
        (Vec::new(), StateFailure::Unrecognised),
        (b"not a state".to_vec(), StateFailure::Unrecognised),
        (state[..state.len() - 1].to_vec(), StateFailure::Unrecognised),
        (flipped, StateFailure::Checksum),
        (newer, StateFailure::Version(99)),
        (vec![0; mimobox_vmm::MAX_STATE + 1], StateFailure::TooLong),
    ] {
        assert_eq!(mimobox_vmm::check_state(&bytes), Err(expected));
        let parts = Parts { start: file_of(&bytes), memory: new_memory(tiny::MEMORY), disks: Vec::new() };
        let mut vmm = Vmm::start(&restoring(&probe), parts);
        assert!(matches!(vmm.event(), Event::Jailed(_)));
        assert_eq!(vmm.event(), Event::Failed(Failure::State(expected)));
        vmm.ends();
    }
}

#[test]
fn a_request_that_does_not_belong_is_refused_and_changes_nothing() {
    let Some(probe) = need::kvm() else { return };
    let mut vmm = Vmm::configured(&tiny::config(&probe), tiny::parts(tiny::ALPHABET));
    let refused = |vmm: &mut Vmm, requests: &[Request]| {
        for request in requests {
            vmm.send(request);
            assert_eq!(vmm.event(), Event::Failed(Failure::OutOfOrder), "{request:?}");
        }
    };
    refused(&mut vmm, &[Request::Pause, Request::Resume, Request::Save]);
    vmm.run();
    refused(&mut vmm, &[Request::Run, Request::Resume, Request::Save]);
    vmm.pause();
    refused(&mut vmm, &[Request::Run, Request::Pause]);
    vmm.send(&Request::Resume);
    assert_eq!(vmm.event(), Event::Resumed);
    vmm.log_until("b\n");
    vmm.stop();
}

#[test]
fn what_a_guest_uses_is_counted() {
    let Some(probe) = need::kvm() else { return };
    let mut vmm = running(&probe, tiny::ALPHABET);
    vmm.log_until("z\n");
    let usage = vmm.usage();
    // A letter and the end of its line each.
    assert!(usage.exits.port_writes >= 52, "{usage:?}");
    assert!(usage.vcpu_nanoseconds > 0 && usage.total_nanoseconds >= usage.vcpu_nanoseconds, "{usage:?}");
    assert!(usage.resident > 0 && usage.peak >= usage.resident, "{usage:?}");
}
