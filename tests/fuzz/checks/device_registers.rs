//! What must hold for any accesses to registers, with any memory behind them. Used by the fuzz target and by an ordinary
//! test.

use std::io::Read;
use std::io::Seek;
use std::os::unix::net::UnixStream;

use mimobox_vmm::devices::{Access, Devices, Wiring};
use vm_memory::{Bytes, GuestAddress};

use crate::guest::{Guest, INTERRUPT, MEMORY, READY, STATUS, VERSION_1, disks, file};
use crate::script::Script;

/// Panics if the accesses that `bytes` describe break a device, change a read-only disk, or leave a state behind that cannot
/// be restored as it is.
pub(crate) fn check(bytes: &[u8]) {
    let mut disk = file(&[7; 4096]);
    let guest = Guest::new(disks(&[(&disk, 4096, Access::ReadOnly)]));
    let mut script = Script(bytes);
    while act(&guest, &mut script).is_some() {}
    for device in 0..3 {
        assert_eq!(guest.read(device, INTERRUPT) & !3, 0);
        assert_eq!(guest.read(device, STATUS) & !(1 | 2 | 4 | 8 | 64 | 128), 0);
    }

    let state = guest.devices.save();
    let (_client, agent) = UnixStream::pair().expect("a pair");
    let wiring = Wiring { disks: disks(&[(&disk, 4096, Access::ReadOnly)]), agent };
    let restored =
        Devices::restore(guest.memory.clone(), wiring, &state).expect("what a guest did can be restored");
    assert_eq!(restored.save(), state);

    let mut left = Vec::new();
    disk.rewind().expect("a file");
    disk.read_to_end(&mut left).expect("a file");
    assert_eq!(left, [7; 4096]);
}

fn act(guest: &Guest, script: &mut Script<'_>) -> Option<()> {
    match script.byte()? % 8 {
        0 => _ = guest.read(script.byte()?.into(), u64::from(script.short()?) & !3),
        1..4 => {
            let (device, register) = (script.byte()? % 4, (script.short()? % 0x110) & !3);
            guest.write(device.into(), register.into(), script.word()?);
        }
        4 => {
            let (address, mut data) = (script.long()?, vec![0; usize::from(script.byte()? % 17)]);
            guest.devices.mmio_read(address, &mut data);
            guest.devices.mmio_write(address, &data);
        }
        5 => {
            let (address, value) = (script.word()?, script.word()?);
            let address = GuestAddress(u64::from(address) % (MEMORY - 4));
            guest.memory.write_obj(value, address).expect("it is memory");
        }
        6 => _ = guest.devices.serve(),
        _ => {
            // Most of what can go wrong begins with what is right.
            let (device, queue) = (u64::from(script.byte()? % 3), u32::from(script.byte()? % 3));
            guest.negotiate(device, VERSION_1 | u64::from(script.byte()? & 1) << 29);
            guest.set_up(device, queue, 8);
            guest.write(device, STATUS, READY);
        }
    }
    Some(())
}
