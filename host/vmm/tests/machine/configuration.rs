//! What a VMM is configured with, and what it refuses.

use std::os::fd::AsFd;

use mimobox_vmm_protocol::{Config, ConfigError, Event, Failure, KvmStep, Request};

use crate::need;
use crate::tiny;
use crate::vmm::{Parts, Vmm, file_of, new_memory};

fn refused(config: &Config, parts: Parts, expected: &Failure) {
    let mut vmm = Vmm::start(config, parts);
    let mut event = vmm.event();
    if matches!(event, Event::Jailed(_)) {
        event = vmm.event();
    }
    assert_eq!(event, Event::Failed(expected.clone()));
    vmm.ends();
}

#[test]
fn a_configuration_is_checked_by_the_vmm_too() {
    let Some(probe) = need::kvm() else { return };
    let config = Config { vcpus: 0, ..tiny::config(&probe) };
    refused(&config, tiny::parts(tiny::SPIN), &Failure::Config(ConfigError::Vcpus(0)));
}

#[test]
fn a_descriptor_too_many_is_refused() {
    let Some(probe) = need::kvm() else { return };
    let parts = Parts { disks: vec![file_of(b"")], ..tiny::parts(tiny::SPIN) };
    refused(&tiny::config(&probe), parts, &Failure::Descriptors { expected: 5, received: 6 });
}

#[test]
fn memory_that_is_not_there_is_refused() {
    let Some(probe) = need::kvm() else { return };
    let parts = Parts { memory: new_memory(tiny::MEMORY - 4096), ..tiny::parts(tiny::SPIN) };
    let cause = format!("its file has {} bytes of {}", tiny::MEMORY - 4096, tiny::MEMORY);
    refused(&tiny::config(&probe), parts, &Failure::Memory { cause });
}

#[test]
fn what_is_no_kvm_is_refused() {
    let Some(probe) = need::kvm() else { return };
    let mut vmm = Vmm::start_with_kvm(&tiny::config(&probe), tiny::parts(tiny::SPIN), file_of(b""));
    assert!(matches!(vmm.event(), Event::Jailed(_)));
    let Event::Failed(Failure::Kvm { step, .. }) = vmm.event() else { panic!("no failure") };
    assert_eq!(step, KvmStep::Version);
    vmm.ends();
}

#[test]
fn a_probe_is_answered_and_the_process_ends() {
    let Some(probe) = need::kvm() else { return };
    let mut vmm = Vmm::unconfigured();
    let kvm = std::fs::File::options().read(true).write(true).open("/dev/kvm").unwrap();
    vmm.send_with(&Request::Probe, &[kvm.as_fd()]);
    assert_eq!(vmm.event(), Event::Probed(Ok(probe)));
    vmm.ends();
}

#[test]
fn the_first_request_is_the_configuration() {
    let mut vmm = Vmm::unconfigured();
    vmm.send(&Request::Run);
    assert_eq!(vmm.event(), Event::Failed(Failure::OutOfOrder));
    vmm.ends();
}

#[test]
fn a_packet_that_is_no_request_ends_the_vmm() {
    for packet in [&b"\xff\xff\xff\xff"[..], b"\x01\x00"] {
        let mut vmm = Vmm::unconfigured();
        vmm.send_bytes(packet);
        vmm.ends();
    }
}
