//! Linux itself.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use mimobox_vmm_protocol::{Config, Disk, End, Event, Failure, KernelFailure, Probe, Start};

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

/// Counts, and waits a little after each number.
const COUNT: &str = "quiet root=/dev/vda rootfstype=erofs ro init=/bin/busybox -- \
     sh -c \"i=0; while true; do i=$((i+1)); echo tick $i.; sleep 0.1; done\"";

#[test]
fn a_saved_one_goes_on_elsewhere_with_its_disk_and_its_timers() {
    let Some(probe) = need::kvm() else { return };
    let (Some(kernel), Some(image)) = (need::linux(), need::base_image()) else { return };
    let open = |path: &Path| OwnedFd::from(File::open(path).unwrap());
    let memory = 64 << 20;
    let disks = vec![Disk { capacity: 1 << 30 }];
    let config = Config { memory, disks, command_line: COUNT.to_owned(), ..tiny::config(&probe) };
    let parts = Parts { start: open(&kernel), memory: new_memory(memory), disks: vec![open(&image)] };
    let mut first = Vmm::configured(&config, parts);
    first.run();
    first.log_until("tick 2.");
    first.pause();
    let (state, memory) = (first.save(), first.memory.try_clone().unwrap());
    let config = Config { start: Start::Restore, ..config };
    let parts = Parts { start: state, memory, disks: vec![open(&image)] };
    let mut second = Vmm::configured(&config, parts);
    second.run();
    // Each number takes a new process, read from the disk, and a timer.
    let said = second.log_until("tick 4.");
    assert!(!said.contains("tick 1."), "{said}");
    second.stop();
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
