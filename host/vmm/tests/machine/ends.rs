//! How a guest ends, and that its end is told apart.

use mimobox_vmm_protocol::{End, Event, Flavour};

use crate::tiny::{self, running};
use crate::{need, vmm};

#[test]
fn a_reset_is_told_and_ends_the_process() {
    let Some(probe) = need::kvm() else { return };
    let mut vmm = running(&probe, tiny::RESET);
    assert_eq!(vmm.event(), Event::Ended(End::Reset));
    vmm.ends();
}

#[test]
fn a_fault_that_nobody_handles_is_told_as_a_triple_fault() {
    let Some(probe) = need::kvm() else { return };
    let mut vmm = running(&probe, tiny::TRIPLE_FAULT);
    assert_eq!(vmm.event(), Event::Ended(End::TripleFault));
    vmm.ends();
}

#[test]
fn an_instruction_that_kvm_does_not_emulate_is_told_with_its_bytes() {
    let Some(probe) = need::kvm() else { return };
    let code = [tiny::POPCNT, tiny::RESET].concat();
    let end = running(&probe, &code).event();
    match probe.flavour {
        Flavour::Hardware => assert_eq!(end, Event::Ended(End::Reset)),
        Flavour::EmulatedKernel => {
            let Event::Ended(End::InternalError(error)) = end else { panic!("{end:?}") };
            assert_eq!((error.suberror, error.instruction_pointer), (1, 0x10_0000));
            assert!(error.bytes.get().starts_with(tiny::POPCNT), "{error:x?}");
        }
    }
}

#[test]
fn a_guest_that_runs_in_a_circle_is_stopped() {
    let Some(probe) = need::kvm() else { return };
    running(&probe, tiny::SPIN).stop();
}

#[test]
fn a_guest_that_floods_a_port_is_stopped() {
    let Some(probe) = need::kvm() else { return };
    let mut vmm = running(&probe, tiny::FLOOD_A_PORT);
    while vmm.usage().exits.port_writes < 1000 {}
    vmm.pause();
    vmm.stop();
}

#[test]
fn a_guest_that_floods_the_log_is_stopped_though_nobody_reads() {
    let Some(probe) = need::kvm() else { return };
    let mut vmm = vmm::Vmm::configured(&tiny::config(&probe), tiny::parts(tiny::FLOOD_THE_LOG));
    vmm.do_not_read_the_log();
    vmm.run();
    // More than the pipe holds.
    while vmm.usage().exits.port_writes < 100_000 {}
    vmm.pause();
    vmm.stop();
}

#[test]
fn a_guest_ends_when_its_host_has_gone() {
    let Some(probe) = need::kvm() else { return };
    let mut vmm = running(&probe, tiny::SPIN);
    vmm.hang_up();
    vmm.ends();
}

#[test]
fn a_vmm_that_is_killed_ends_at_any_stage() {
    let Some(probe) = need::kvm() else { return };
    let started = || vmm::Vmm::start(&tiny::config(&probe), tiny::parts(tiny::SPIN));
    let jailed = || {
        let mut vmm = started();
        assert!(matches!(vmm.event(), Event::Jailed(_)));
        vmm
    };
    let configured = || vmm::Vmm::configured(&tiny::config(&probe), tiny::parts(tiny::SPIN));
    let running = || running(&probe, tiny::SPIN);
    let paused = || {
        let mut vmm = running();
        vmm.pause();
        vmm
    };
    let stages: [&dyn Fn() -> vmm::Vmm; 6] =
        [&vmm::Vmm::unconfigured, &started, &jailed, &configured, &running, &paused];
    for stage in stages {
        let mut vmm = stage();
        vmm.kill();
        vmm.ends();
    }
}
