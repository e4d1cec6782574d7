//! Where things are in the guest's physical memory.
//!
//! ```text
//!   0x0000_0500  segment descriptors
//!   0x0000_7000  zero page (`boot_params`)
//!   0x0000_9000  page tables, three pages
//!   0x0002_0000  command line
//!   0x0003_0000  seed of the kernel's random numbers
//!   0x0009_fc00  MP table; memory below 640 KiB ends here
//!   0x0010_0000  memory again: the kernel is loaded to where it says, usually 16 MiB
//!   0xd000_0000  memory ends here at the latest; one page of registers a device
//!   0xfec0_0000  interrupt controllers, and what KVM itself needs
//!   0x1_0000_0000  the rest of memory
//! ```

/// Segment descriptors.
pub const SEGMENTS: u64 = 0x500;
/// The zero page: `Documentation/arch/x86/boot.rst` of Linux.
pub const ZERO_PAGE: u64 = 0x7000;
/// Three pages of page tables.
pub const PAGE_TABLES: u64 = 0x9000;
/// The kernel's command line, a C string.
pub const COMMAND_LINE: u64 = 0x2_0000;
/// Bytes of the command line with its end: the kernel's `COMMAND_LINE_SIZE`.
pub const COMMAND_LINE_SIZE: usize = 2048;
/// `setup_data` with the seed.
pub const SEED: u64 = 0x3_0000;
/// The MP table. Conventional memory ends here.
pub const MP_TABLE: u64 = 0x9_fc00;
/// Memory begins again.
pub const HIGH_MEMORY: u64 = 0x10_0000;

/// Registers of device 0.
pub const DEVICES: u64 = 0xd000_0000;
/// Bytes of registers of one device.
pub const DEVICE_SIZE: u64 = 0x1000;
/// Most devices: as many interrupt lines as are free.
pub const MAX_DEVICES: u32 = 10;
/// The hole for devices ends and memory goes on.
pub const ABOVE_HOLE: u64 = 1 << 32;

/// Interrupt line of the device of this number. Lines 0 to 2 and 4 are the timer's, the keyboard's, the cascade's and the
/// serial port's; 8 and 13 are the clock's and the coprocessor's by habit.
#[must_use]
pub fn interrupt(device: u32) -> Option<u32> {
    const LINES: [u32; MAX_DEVICES as usize] = [5, 6, 7, 9, 10, 11, 12, 14, 15, 3];
    LINES.get(usize::try_from(device).ok()?).copied()
}
