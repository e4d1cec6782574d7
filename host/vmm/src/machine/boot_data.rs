//! What a kernel finds in memory when it starts: the zero page, its command line, a seed, page tables and segments.
//! `Documentation/arch/x86/boot.rst` and `zero-page.rst` of Linux.

use linux_loader::bootparam::{boot_e820_entry, boot_params};
use linux_loader::cmdline::Cmdline;
use linux_loader::loader::load_cmdline;
use mimobox_vmm_protocol::{Failure, KernelFailure, Template};
use vm_memory::{Bytes, GuestAddress, GuestMemoryError, GuestMemoryMmap};

use super::kernel::Kernel;
use super::memory::pieces;
use crate::layout::{
    COMMAND_LINE, COMMAND_LINE_SIZE, HIGH_MEMORY, MP_TABLE, PAGE_TABLES, SEED, SEGMENTS, ZERO_PAGE,
};

/// Always there. `panic=-1`: reboot at once, which ends the machine. `8250.nr_uarts`: do not look for three more ports.
const ALWAYS: &str = "console=ttyS0 panic=-1 reboot=k 8250.nr_uarts=1";
/// For a kernel whose kernel mode is emulated: the patches' word, and no change of page tables late in the start.
const EMULATED: &str = "cpl0_emul rodata=off";

/// `E820_TYPE_RAM`.
const RAM: u32 = 1;
/// The boot protocol's magic numbers, for a kernel that brings no header of its own.
const BOOT_FLAG: u16 = 0xaa55;
const HEADER_MAGIC: u32 = 0x5372_6448;
const PROTOCOL: u16 = 0x020f;
/// "Undefined loader."
const LOADER: u8 = 0xff;
const KERNEL_ALIGNMENT: u32 = 0x0100_0000;
/// `SETUP_RNG_SEED` of `asm/setup_data.h`.
const SEED_TYPE: u32 = 9;
/// Bytes of the seed.
const SEED_LENGTH: u32 = 32;

/// Segments: none, none, 64-bit code (selector 0x10), data (0x18).
const DESCRIPTORS: [u64; 4] = [0, 0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff];
/// Bytes of the segment descriptors.
pub(crate) const DESCRIPTORS_LENGTH: u16 = 32;

/// Puts everything in its place.
///
/// # Errors
/// `Memory`, `Kernel`.
pub(crate) fn write(
    memory: &GuestMemoryMmap,
    bytes: u64,
    kernel: &Kernel,
    command_line: &str,
) -> Result<(), Failure> {
    let length = write_command_line(memory, command_line)?;
    let inner = || -> Result<(), GuestMemoryError> {
        write_seed(memory)?;
        write_zero_page(memory, bytes, kernel, length)?;
        prepare_long_mode(memory)
    };
    inner().map_err(|error| Failure::Memory { cause: error.to_string() })
}

/// The whole command line.
pub(crate) fn command_line(template: Template, devices: &str, added: &str) -> String {
    let template = match template {
        Template::Native => "",
        Template::Pvm => EMULATED,
    };
    let parts = [ALWAYS, template, devices, added];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

fn write_command_line(memory: &GuestMemoryMmap, text: &str) -> Result<u32, Failure> {
    let refused = |_| Failure::Kernel(KernelFailure::CommandLine);
    let mut line = Cmdline::new(COMMAND_LINE_SIZE).map_err(refused)?;
    line.insert_str(text).map_err(refused)?;
    load_cmdline(memory, GuestAddress(COMMAND_LINE), &line)
        .map_err(|_| Failure::Kernel(KernelFailure::CommandLine))?;
    u32::try_from(text.len()).map_err(|_| Failure::Kernel(KernelFailure::CommandLine))
}

/// Else the kernel's first random numbers cost it a second where it is emulated, and are guessable everywhere.
fn write_seed(memory: &GuestMemoryMmap) -> Result<(), GuestMemoryError> {
    let mut seed = [0_u8; SEED_LENGTH as usize];
    // Before the pool of the host is ready there is no host of ours: this cannot block or come short.
    let _ = rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::empty());
    memory.write_obj(0_u64, GuestAddress(SEED))?;
    memory.write_obj(SEED_TYPE, GuestAddress(SEED + 8))?;
    memory.write_obj(SEED_LENGTH, GuestAddress(SEED + 12))?;
    memory.write_slice(&seed, GuestAddress(SEED + 16))
}

fn write_zero_page(
    memory: &GuestMemoryMmap,
    bytes: u64,
    kernel: &Kernel,
    command_line: u32,
) -> Result<(), GuestMemoryError> {
    let mut page = boot_params::default();
    match kernel.header {
        Some(header) => page.hdr = header,
        None => {
            page.hdr.boot_flag = BOOT_FLAG;
            page.hdr.header = HEADER_MAGIC;
            page.hdr.version = PROTOCOL;
            page.hdr.kernel_alignment = KERNEL_ALIGNMENT;
        }
    }
    page.hdr.type_of_loader = LOADER;
    page.hdr.cmd_line_ptr = u32::try_from(COMMAND_LINE).unwrap_or_default();
    page.hdr.cmdline_size = command_line;
    page.hdr.setup_data = SEED;
    let map = usable(bytes);
    for (entry, (addr, size)) in page.e820_table.iter_mut().zip(&map) {
        *entry = boot_e820_entry { addr: *addr, size: *size, r#type: RAM };
    }
    page.e820_entries = u8::try_from(map.len()).unwrap_or_default();
    memory.write_obj(page, GuestAddress(ZERO_PAGE))
}

/// Memory that the kernel may use: all but what lies between the MP table and 1 MiB.
fn usable(bytes: u64) -> Vec<(u64, u64)> {
    let mut all = vec![(0, MP_TABLE)];
    for piece in pieces(bytes) {
        let start = piece.start.max(HIGH_MEMORY);
        all.push((start, (piece.start + piece.length).saturating_sub(start)));
    }
    all
}

/// Writes what a processor needs that begins in 64-bit mode: page tables and segments.
///
/// # Errors
/// If there is no memory at their place.
pub(crate) fn prepare_long_mode(memory: &GuestMemoryMmap) -> Result<(), GuestMemoryError> {
    write_page_tables(memory)?;
    for (place, descriptor) in (0..).zip(DESCRIPTORS) {
        memory.write_obj(descriptor, GuestAddress(SEGMENTS + place * 8))?;
    }
    Ok(())
}

/// The first GiB, mapped to itself by pages of 2 MiB.
fn write_page_tables(memory: &GuestMemoryMmap) -> Result<(), GuestMemoryError> {
    const PRESENT_WRITABLE: u64 = 3;
    const LARGE: u64 = 0x80;
    let page = |number: u64| PAGE_TABLES + number * 0x1000;
    memory.write_obj(page(1) | PRESENT_WRITABLE, GuestAddress(page(0)))?;
    memory.write_obj(page(2) | PRESENT_WRITABLE, GuestAddress(page(1)))?;
    let large: Vec<u8> =
        (0..512_u64).flat_map(|place| (place << 21 | LARGE | PRESENT_WRITABLE).to_le_bytes()).collect();
    memory.write_slice(&large, GuestAddress(page(2)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

    use super::*;
    use crate::layout::{ABOVE_HOLE, DEVICES};

    #[test]
    fn all_memory_but_the_old_bios_area_is_usable() {
        assert_eq!(usable(64 << 20), [(0, MP_TABLE), (HIGH_MEMORY, (64 << 20) - HIGH_MEMORY)]);
        let above = (ABOVE_HOLE, 1 << 20);
        assert_eq!(usable(DEVICES + (1 << 20)), [(0, MP_TABLE), (HIGH_MEMORY, DEVICES - HIGH_MEMORY), above]);
    }

    #[test]
    fn only_an_emulated_kernel_is_told_so() {
        assert!(command_line(Template::Pvm, "", "").contains("cpl0_emul"));
        assert_eq!(command_line(Template::Native, "", "quiet"), format!("{ALWAYS} quiet"));
    }

    #[test]
    fn a_command_line_that_the_kernel_would_cut_is_refused() {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0xa_0000)]).unwrap();
        let kernel = Kernel { entry: 0, header: None };
        let long = "x".repeat(COMMAND_LINE_SIZE);
        let answer = write(&memory, 20 << 20, &kernel, &long);
        assert_eq!(answer, Err(Failure::Kernel(KernelFailure::CommandLine)));
        assert_eq!(write(&memory, 20 << 20, &kernel, "quiet"), Ok(()));
    }
}
