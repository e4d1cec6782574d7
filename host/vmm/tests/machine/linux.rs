//! Linux itself.

use std::fs::File;

use mimobox_vmm_protocol::{Config, End, Event, Failure, KernelFailure, Probe};

use crate::need;
use crate::tiny;
use crate::vmm::{Parts, Vmm, new_memory};

fn booting(probe: &Probe, memory: u64, added: &str) -> Option<Vmm> {
    let kernel = File::open(need::linux()?).unwrap().into();
    let config = Config { memory, command_line: added.to_owned(), ..tiny::config(probe) };
    let mut vmm =
        Vmm::configured(&config, Parts { start: kernel, memory: new_memory(memory), disks: Vec::new() });
    vmm.run();
    Some(vmm)
}

#[test]
fn its_first_lines_are_in_the_log_and_a_panic_is_told_as_a_reset() {
    let Some(probe) = need::kvm() else { return };
    let Some(mut vmm) = booting(&probe, 64 << 20, "") else { return };
    vmm.log_until("Linux version");
    vmm.log_until("Command line: console=ttyS0");
    // Without a root file system it gives up.
    assert_eq!(vmm.event(), Event::Ended(End::Reset));
    assert!(vmm.said().contains("Kernel panic - not syncing: VFS"), "{}", vmm.said());
    vmm.ends();
}

#[test]
fn memory_that_does_not_hold_it_is_told() {
    let Some(probe) = need::kvm() else { return };
    let Some(kernel) = need::linux() else { return };
    let config = tiny::config(&probe);
    let parts = Parts {
        start: File::open(kernel).unwrap().into(),
        memory: new_memory(config.memory),
        disks: Vec::new(),
    };
    let mut vmm = Vmm::start(&config, parts);
    assert!(matches!(vmm.event(), Event::Jailed(_)));
    assert_eq!(vmm.event(), Event::Failed(Failure::Kernel(KernelFailure::TooLarge)));
    vmm.ends();
}

#[test]
fn too_little_memory_ends_it_and_not_the_host() {
    let Some(probe) = need::kvm() else { return };
    // Barely more than the kernel itself.
    let Some(mut vmm) = booting(&probe, 28 << 20, "") else { return };
    let end = vmm.event();
    assert!(matches!(end, Event::Ended(_)), "{end:?}");
    vmm.ends();
}
