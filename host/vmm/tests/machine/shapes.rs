//! Machines of other shapes than the smallest: more memory, more processors, disks.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use mimobox_vmm_protocol::{Config, Disk, End, Event, MAX_DISKS, Request, Start, Template};

use crate::need;
use crate::pause_and_save::{parts, restoring, saved};
use crate::tiny::{self, elf};
use crate::vmm::{Parts, Vmm, file_of, new_memory};

#[test]
fn memory_that_reaches_above_the_devices_is_one_machine() {
    let Some(probe) = need::kvm() else { return };
    let memory = 5 << 30;
    let config = Config { memory, ..tiny::config(&probe) };
    // Nobody touches most of it, so it is not there.
    let parts = Parts { start: file_of(&elf(tiny::RESET)), memory: new_memory(memory), disks: Vec::new() };
    let mut vmm = Vmm::configured(&config, parts);
    vmm.run();
    assert_eq!(vmm.event(), Event::Ended(End::Reset));
}

#[test]
fn as_many_disks_as_there_may_be_are_taken() {
    let Some(probe) = need::kvm() else { return };
    let disks = vec![Disk { capacity: 1 << 40 }; MAX_DISKS];
    let files = disks.iter().map(|_| file_of(&[0; 4096])).collect();
    let config = Config { disks, ..tiny::config(&probe) };
    let mut vmm = Vmm::configured(&config, Parts { disks: files, ..tiny::parts(tiny::RESET) });
    vmm.run();
    assert_eq!(vmm.event(), Event::Ended(End::Reset));
}

#[test]
fn several_processors_stand_still_together_and_go_on_elsewhere() {
    let Some(probe) = need::kvm() else { return };
    // The others wait for a kernel that starts them, which this one never does: so any KVM can do it.
    let config = Config { vcpus: 3, template: Template::Native, ..tiny::config(&probe) };
    let mut vmm = Vmm::configured(&config, tiny::parts(tiny::ALPHABET));
    vmm.run();
    vmm.log_until("c\n");
    vmm.pause();
    let state = vmm.save();
    let memory = vmm.memory.try_clone().unwrap();
    vmm.send(&Request::Resume);
    assert_eq!(vmm.event(), Event::Resumed);
    vmm.log_until("z\n");
    vmm.stop();
    let again = Config { start: Start::Restore, ..config };
    let mut vmm = Vmm::configured(&again, Parts { start: state, memory, disks: Vec::new() });
    vmm.run();
    vmm.log_until("z\n");
    vmm.stop();
}

#[test]
fn memory_that_may_only_be_read_is_enough_for_a_restore() {
    let Some(probe) = need::kvm() else { return };
    let (state, first, _said) = saved(&probe);
    let path = format!("/proc/self/fd/{}", first.memory.as_raw_fd());
    let memory: OwnedFd = File::open(path).unwrap().into();
    let mut vmm = Vmm::configured(&restoring(&probe), Parts { memory, ..parts(&state, &first) });
    vmm.run();
    vmm.log_until("z\n");
    vmm.stop();
}
