//! What must hold for any requests to a disk. Used by the fuzz target and by an ordinary test.

use mimobox_vmm::devices::Access;
use vm_memory::{Bytes, GuestAddress};

use crate::guest::{BUFFERS, DISK, DriverQueue, Guest, disks, file};
use crate::script::Script;

const LENGTH: usize = 16384;

/// Panics if the requests that `bytes` describe break a device for good, answer what was not asked, or make a file longer.
pub(crate) fn check(bytes: &[u8]) {
    let disk = file(&[7; LENGTH]);
    let guest = Guest::new(disks(&[(&disk, 1 << 20, Access::ReadWrite)]));
    let mut script = Script(bytes);
    let mut queue = start(&guest);
    let mut offered = 0_usize;
    while let Some(offers) = act(&guest, &mut queue, &mut script) {
        offered += offers;
        while let Some((head, written)) = queue.take() {
            offered = offered.checked_sub(1).expect("more answers than requests");
            assert!(head < queue.size);
            assert!(written <= 1 + (16 << 20));
        }
        if guest.needs_reset(DISK) {
            queue = start(&guest);
            offered = 0;
        }
    }
    let length = disk.metadata().expect("a file").len();
    assert_eq!(length, LENGTH as u64);
}

fn start(guest: &Guest) -> DriverQueue {
    guest.memory.write_slice(&[0; 0x1_0000], GuestAddress(9 * 0x1_0000)).expect("it is memory");
    guest.start(DISK, 0, &[16]).remove(0)
}

/// Chains that were made available.
fn act(guest: &Guest, queue: &mut DriverQueue, script: &mut Script<'_>) -> Option<usize> {
    match script.byte()? % 6 {
        0 => {
            let (index, flags, next) = (script.byte()? % 16, script.byte()? % 8, script.byte()? % 20);
            let address = if script.byte()? % 8 == 0 { script.long()? } else { near(script)? };
            queue.describe(index.into(), (address, script.word()?, flags.into()), next.into());
            Some(0)
        }
        1 => {
            let mut header = Vec::from(u32::from(script.byte()? % 16).to_le_bytes());
            header.extend([0; 4]);
            header.extend(script.long()?.to_le_bytes());
            guest.memory.write_slice(&header, GuestAddress(near(script)?)).expect("it is memory");
            Some(0)
        }
        2 => {
            queue.offer(u16::from(script.byte()? % 18));
            Some(1)
        }
        3 => {
            // A whole one, of any length and place.
            let write = if script.byte()?.is_multiple_of(2) { 2 } else { 0 };
            let data = (near(script)?, script.word()?, write);
            queue.post(0, &[(near(script)?, 16, 0), data, (near(script)?, 1, 2)]);
            Some(1)
        }
        _ => {
            guest.serve();
            Some(0)
        }
    }
}

/// Somewhere among a few buffers, which may overlap.
fn near(script: &mut Script<'_>) -> Option<u64> {
    Some(BUFFERS + 64 * u64::from(script.byte()? % 32))
}
