//! Loading a kernel: `vmlinux` (ELF) or bzImage, both entered in 64-bit mode (`Documentation/arch/x86/boot.rst` of Linux).
//!
//! The file is the user's and may be anything. Its headers are looked at first, to say what is wrong with it.

use std::fs::File;
use std::os::unix::fs::FileExt;

use linux_loader::bootparam::setup_header;
use linux_loader::loader::{BzImage, Elf, KernelLoader};
use mimobox_vmm_protocol::KernelFailure;
use vm_memory::{GuestAddress, GuestMemoryMmap};

use crate::layout::HIGH_MEMORY;

/// `EM_X86_64` of elf(5).
const X86_64: u16 = 62;
/// A bzImage's 64-bit entry comes so many bytes after its start.
const LONG_MODE_ENTRY: u64 = 0x200;
/// `XLF_KERNEL_64`: there is one.
const HAS_LONG_MODE_ENTRY: u16 = 1;

/// A kernel in memory.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// Its first instruction.
    pub(crate) entry: u64,
    /// The header that a bzImage wants back in the zero page.
    pub(crate) header: Option<setup_header>,
}

enum Format {
    Elf,
    BzImage,
}

/// Loads the kernel to where it wants to be.
///
/// # Errors
/// Each variant of [`KernelFailure`] but `CommandLine`.
pub(crate) fn load(memory: &GuestMemoryMmap, mut file: File) -> Result<Kernel, KernelFailure> {
    let start = Some(GuestAddress(HIGH_MEMORY));
    let (loaded, offset) = match format(&file)? {
        Format::Elf => (Elf::load(memory, None, &mut file, start), 0),
        Format::BzImage => (BzImage::load(memory, None, &mut file, start), LONG_MODE_ENTRY),
    };
    let loaded = loaded.map_err(|error| reason(&error, &file))?;
    let entry = loaded.kernel_load.0.checked_add(offset).ok_or(KernelFailure::Damaged)?;
    if let Some(header) = &loaded.setup_header {
        let flags = header.xloadflags;
        if flags & HAS_LONG_MODE_ENTRY == 0 {
            return Err(KernelFailure::NoLongModeEntry);
        }
    }
    Ok(Kernel { entry, header: loaded.setup_header })
}

fn format(file: &File) -> Result<Format, KernelFailure> {
    let mut head = [0; 0x206];
    let length = read_head(file, &mut head);
    let head = head.get(..length).unwrap_or_default();
    if head.starts_with(b"\x7fELF") {
        let machine = head.get(18..20).and_then(|bytes| bytes.try_into().ok());
        let machine = u16::from_le_bytes(machine.ok_or(KernelFailure::Damaged)?);
        if machine != X86_64 {
            return Err(KernelFailure::Architecture { machine });
        }
        return Ok(Format::Elf);
    }
    if head.get(0x202..0x206) == Some(b"HdrS") {
        return Ok(Format::BzImage);
    }
    Err(KernelFailure::Unrecognised)
}

fn read_head(file: &File, head: &mut [u8]) -> usize {
    let mut length = 0;
    while let Some(rest @ [_, ..]) = head.get_mut(length..) {
        match file.read_at(rest, length as u64) {
            Ok(0) | Err(_) => break,
            Ok(more) => length += more,
        }
    }
    length
}

/// The loader says the same for a file that ends early and for memory that does.
fn reason(error: &linux_loader::loader::Error, file: &File) -> KernelFailure {
    use linux_loader::loader::{Error, bzimage, elf};
    match error {
        Error::Elf(elf::Error::ReadKernelImage)
        | Error::Bzimage(bzimage::Error::ReadBzImageCompressedKernel)
            if is_whole(file) =>
        {
            KernelFailure::TooLarge
        }
        Error::MemoryOverflow => KernelFailure::TooLarge,
        _ => KernelFailure::Damaged,
    }
}

/// Whether every segment of an ELF file is in the file. A bzImage's length is the file's, so that is whole.
fn is_whole(file: &File) -> bool {
    let mut header = [0; 64];
    if read_head(file, &mut header) < header.len() || !header.starts_with(b"\x7fELF") {
        return true;
    }
    let Ok(length) = file.metadata().map(|metadata| metadata.len()) else { return false };
    let table = number(&header, 32..40);
    let count = number(&header, 56..58);
    (0..count).all(|index| {
        let mut entry = [0; 56];
        let Some(place) = table.checked_add(index * 56) else { return false };
        if file.read_exact_at(&mut entry, place).is_err() {
            return false;
        }
        number(&entry, 8..16).checked_add(number(&entry, 32..40)).is_some_and(|end| end <= length)
    })
}

/// A little-endian number of up to eight bytes.
fn number(bytes: &[u8], place: std::ops::Range<usize>) -> u64 {
    let bytes = bytes.get(place).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
