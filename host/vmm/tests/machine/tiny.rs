//! Kernels of a few bytes.

use mimobox_vmm_protocol::{Config, Probe, Start};

use crate::vmm::{Parts, Vmm, file_of, new_memory};

/// Where they are loaded.
const START: u64 = 0x10_0000;
/// Bytes of their memory.
pub(crate) const MEMORY: u64 = 20 << 20;

/// Runs in a circle: `jmp .`.
pub(crate) const SPIN: &[u8] = &[0xeb, 0xfe];

/// Writes to a port in a circle: `out 0x80, al; jmp`.
pub(crate) const FLOOD_A_PORT: &[u8] = &[0xe6, 0x80, 0xeb, 0xfc];

/// Writes to the serial port in a circle: `mov dx, 0x3f8; out dx, al; jmp`.
pub(crate) const FLOOD_THE_LOG: &[u8] = &[0x66, 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xfd];

/// Asks the keyboard controller for a reset: `mov al, 0xfe; out 0x64, al; jmp .`.
pub(crate) const RESET: &[u8] = &[0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe];

/// `mov [0x4000000000], al`, where nothing is mapped, and no handler is there to say so: a fault while the fault is handled.
pub(crate) const TRIPLE_FAULT: &[u8] = &[0x48, 0xb8, 0, 0, 0, 0, 0x40, 0, 0, 0, 0x88, 0x00];

/// `popcnt rax, rbx`, which not every KVM emulates.
pub(crate) const POPCNT: &[u8] = &[0xf3, 0x48, 0x0f, 0xb8, 0xc3];

/// Says the letters of the alphabet, a line each, again and again. Between two it counts to 5,000.
pub(crate) const ALPHABET: &[u8] = &[
    0x66, 0xba, 0xf8, 0x03, 0xb0, 0x61, 0xee, 0x88, 0xc3, 0xb0, 0x0a, 0xee, 0xb9, 0x88, 0x13, 0x00, 0x00,
    0xff, 0xc9, 0x75, 0xfc, 0x88, 0xd8, 0xfe, 0xc0, 0x3c, 0x7b, 0x75, 0xe9, 0xb0, 0x61, 0xeb, 0xe5,
];

/// An ELF file with this code.
pub(crate) fn elf(code: &[u8]) -> Vec<u8> {
    let mut file = Vec::from(*b"\x7fELF\x02\x01\x01");
    file.resize(16, 0);
    // An executable for x86-64, ELF version 1.
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    file.extend(START.to_le_bytes());
    file.extend(64_u64.to_le_bytes());
    file.extend([0; 12]);
    // Sizes of this header and of a program header, of which there is one; no sections.
    file.extend([64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    // To be loaded, readable and executable.
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    let length = code.len() as u64;
    for field in [120, START, START, length, length, 4096] {
        file.extend(field.to_le_bytes());
    }
    file.extend(code);
    file
}

/// A configuration for such a kernel.
pub(crate) fn config(probe: &Probe) -> Config {
    Config {
        memory: MEMORY,
        vcpus: 1,
        template: probe.template,
        command_line: String::new(),
        disks: Vec::new(),
        start: Start::Boot,
        account: None,
        tolerated: Vec::new(),
    }
}

/// The parts of a machine with such a kernel.
pub(crate) fn parts(code: &[u8]) -> Parts {
    Parts { start: file_of(&elf(code)), memory: new_memory(MEMORY), disks: Vec::new() }
}

/// A machine that runs such a kernel.
pub(crate) fn running(probe: &Probe, code: &[u8]) -> Vmm {
    let mut vmm = Vmm::configured(&config(probe), parts(code));
    vmm.run();
    vmm
}
