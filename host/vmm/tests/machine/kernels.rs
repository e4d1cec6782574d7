//! Kernels that are none: each is refused with its own reason, behind the jail.

use mimobox_vmm_protocol::{Config, End, Event, Failure, KernelFailure, Probe};

use crate::need;
use crate::tiny::{self, elf};
use crate::vmm::{Parts, Vmm, file_of, new_memory};

fn refused(probe: &Probe, kernel: &[u8], expected: KernelFailure) {
    let parts = Parts { start: file_of(kernel), memory: new_memory(tiny::MEMORY), disks: Vec::new() };
    let mut vmm = Vmm::start(&tiny::config(probe), parts);
    assert!(matches!(vmm.event(), Event::Jailed(_)));
    assert_eq!(vmm.event(), Event::Failed(Failure::Kernel(expected)));
    vmm.ends();
}

/// A bzImage with this header's load flags.
fn bz_image(length: usize, flags: u16) -> Vec<u8> {
    let mut file = vec![0; length];
    // One sector of setup code; the header's magic, protocol 2.15, loaded high, at 1 MiB.
    file[0x1f1] = 1;
    file[0x202..0x206].copy_from_slice(b"HdrS");
    file[0x206..0x208].copy_from_slice(&0x020f_u16.to_le_bytes());
    file[0x211] = 1;
    file[0x214..0x218].copy_from_slice(&0x10_0000_u32.to_le_bytes());
    file[0x236..0x238].copy_from_slice(&flags.to_le_bytes());
    file
}

#[test]
fn a_text_is_no_kernel() {
    let Some(probe) = need::kvm() else { return };
    refused(&probe, b"#!/bin/sh\necho this is no kernel\n", KernelFailure::Unrecognised);
    refused(&probe, b"", KernelFailure::Unrecognised);
}

#[test]
fn a_kernel_for_another_architecture_is_named_so() {
    let Some(probe) = need::kvm() else { return };
    let mut kernel = elf(tiny::SPIN);
    kernel[18] = 183;
    refused(&probe, &kernel, KernelFailure::Architecture { machine: 183 });
}

#[test]
fn a_kernel_that_is_cut_short_is_damaged() {
    let Some(probe) = need::kvm() else { return };
    let kernel = elf(tiny::RESET);
    for length in [4, 19, 40, 64, 100, kernel.len() - 1] {
        refused(&probe, &kernel[..length], KernelFailure::Damaged);
    }
}

#[test]
fn a_kernel_that_claims_nonsense_is_damaged() {
    let Some(probe) = need::kvm() else { return };
    let kernel = elf(tiny::RESET);
    // The place of the program headers, the length of one, the segment's bytes in the file.
    for (place, value) in [(32, u64::MAX), (54, 7), (96, u64::MAX)] {
        let mut odd = kernel.clone();
        odd[place..place + 8].copy_from_slice(&value.to_le_bytes());
        refused(&probe, &odd, KernelFailure::Damaged);
    }
}

#[test]
fn a_kernel_beyond_memory_is_too_large() {
    let Some(probe) = need::kvm() else { return };
    let mut kernel = elf(tiny::RESET);
    // The physical address of its segment.
    kernel[88..96].copy_from_slice(&tiny::MEMORY.to_le_bytes());
    refused(&probe, &kernel, KernelFailure::TooLarge);
}

#[test]
fn a_compressed_kernel_is_entered_in_long_mode_or_refused() {
    let Some(probe) = need::kvm() else { return };
    refused(&probe, &bz_image(0x1000, 0), KernelFailure::NoLongModeEntry);
    // Its code comes after two sectors; the 64-bit entry is 512 bytes into it.
    let mut kernel = bz_image(0x1000, 1);
    kernel[0x600..0x600 + tiny::RESET.len()].copy_from_slice(tiny::RESET);
    let parts = Parts { start: file_of(&kernel), memory: new_memory(tiny::MEMORY), disks: Vec::new() };
    let mut vmm = Vmm::configured(&tiny::config(&probe), parts);
    vmm.run();
    assert_eq!(vmm.event(), Event::Ended(End::Reset));
}

#[test]
fn a_command_line_that_is_too_long_is_refused() {
    let Some(probe) = need::kvm() else { return };
    let config = Config {
        command_line: "x".repeat(mimobox_vmm_protocol::MAX_COMMAND_LINE + 1),
        ..tiny::config(&probe)
    };
    let mut vmm = Vmm::start(&config, tiny::parts(tiny::SPIN));
    assert!(matches!(vmm.event(), Event::Failed(Failure::Config(_))));
    vmm.ends();
}
