//! The table that tells a kernel without ACPI which processors and interrupt lines there are: MultiProcessor Specification
//! 1.4, chapter 4.
//!
//! Without one Linux looks for it all over the BIOS area, uses one processor and no IOAPIC.

use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::layout::MP_TABLE;

const LOCAL_APICS: u32 = 0xfee0_0000;
const IO_APIC: u32 = 0xfec0_0000;
/// Version of the local and I/O interrupt controllers that KVM emulates.
const LOCAL_VERSION: u8 = 0x14;
const IO_VERSION: u8 = 0x11;
const SPECIFICATION: u8 = 4;
/// Interrupt lines of the ISA bus.
const LINES: u8 = 16;
/// Bytes of the pointer that is looked for; the table follows.
const POINTER: u64 = 16;

/// Types of entries.
const PROCESSOR: u8 = 0;
const BUS: u8 = 1;
const CONTROLLER: u8 = 2;
const LINE: u8 = 3;
const LOCAL_LINE: u8 = 4;

/// Types of interrupts.
const VECTORED: u8 = 0;
const NON_MASKABLE: u8 = 1;
const EXTERNAL: u8 = 3;

/// Writes the table for so many processors.
///
/// # Errors
/// If there is no memory at its place.
pub(crate) fn write(memory: &GuestMemoryMmap, processors: u8) -> Result<(), vm_memory::GuestMemoryError> {
    let table = table(processors);
    let address = u32::try_from(MP_TABLE + POINTER).unwrap_or_default();
    let mut pointer = Vec::from(*b"_MP_");
    pointer.extend(address.to_le_bytes());
    // Its length in paragraphs, the version, its checksum, and no default configuration.
    pointer.extend([1, SPECIFICATION, 0, 0, 0, 0, 0, 0]);
    add_checksum(&mut pointer, 10);
    memory.write_slice(&pointer, GuestAddress(MP_TABLE))?;
    memory.write_slice(&table, GuestAddress(MP_TABLE + POINTER))
}

fn table(processors: u8) -> Vec<u8> {
    let (entries, count) = entries(processors);
    let length = u16::try_from(HEADER + entries.len()).unwrap_or(u16::MAX);
    let mut table = Vec::from(*b"PCMP");
    table.extend(length.to_le_bytes());
    table.extend([SPECIFICATION, 0]);
    table.extend(b"MIMOBOX MICROVM     ");
    // No table of the maker's.
    table.extend([0; 6]);
    table.extend(count.to_le_bytes());
    table.extend(LOCAL_APICS.to_le_bytes());
    // No extended table.
    table.extend([0; 4]);
    table.extend(entries);
    add_checksum(&mut table, 7);
    table
}

/// Bytes before the entries.
const HEADER: usize = 44;

fn entries(processors: u8) -> (Vec<u8>, u16) {
    let mut all = Vec::new();
    let mut count = 0;
    let mut add = |entry: &[u8]| {
        all.extend_from_slice(entry);
        count += 1;
    };
    for processor in 0..processors {
        let enabled = if processor == 0 { 3 } else { 1 };
        let mut entry = vec![PROCESSOR, processor, LOCAL_VERSION, enabled];
        // Family 6, an APIC on the chip; the kernel asks CPUID for all else.
        entry.extend([0, 6, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        add(&entry);
    }
    add(&[BUS, 0, b'I', b'S', b'A', b' ', b' ', b' ']);
    let mut controller = vec![CONTROLLER, processors, IO_VERSION, 1];
    controller.extend(IO_APIC.to_le_bytes());
    add(&controller);
    for line in 0..LINES {
        // KVM has the timer at pin 2.
        let pin = if line == 0 { 2 } else { line };
        add(&[LINE, VECTORED, 0, 0, 0, line, processors, pin]);
    }
    add(&[LOCAL_LINE, EXTERNAL, 0, 0, 0, 0, 0, 0]);
    add(&[LOCAL_LINE, NON_MASKABLE, 0, 0, 0, 0, 0xff, 1]);
    (all, count)
}

/// Makes the sum of all bytes zero by this one.
fn add_checksum(bytes: &mut [u8], place: usize) {
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    if let Some(byte) = bytes.get_mut(place) {
        *byte = 0_u8.wrapping_sub(sum);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

    use mimobox_vmm_protocol::MAX_VCPUS;

    use super::*;

    #[test]
    fn pointer_and_table_add_up_to_zero() {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0xa_0000)]).unwrap();
        write(&memory, 1).unwrap();
        let mut bytes = vec![0; 0x400];
        memory.read_slice(&mut bytes, GuestAddress(MP_TABLE)).unwrap();
        let length = usize::from(u16::from_le_bytes([bytes[20], bytes[21]]));
        for part in [&bytes[..16], &bytes[16..16 + length]] {
            assert_eq!(part.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)), 0);
        }
    }

    #[test]
    fn the_largest_table_fits_between_its_place_and_640_kib() {
        assert!(table(MAX_VCPUS).len() as u64 + POINTER <= 0xa_0000 - MP_TABLE);
    }

    #[test]
    fn each_entry_is_counted() {
        let (entries, count) = entries(2);
        assert_eq!(count, 2 + 1 + 1 + 16 + 2);
        assert_eq!(entries.len(), 2 * 20 + usize::from(count - 2) * 8);
    }
}
