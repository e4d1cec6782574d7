//! Guest memory: one file, mapped around the hole for devices.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use mimobox_vmm_protocol::{Failure, Start};
use vm_memory::mmap::MmapRegion;
use vm_memory::{FileOffset, GuestAddress, GuestMemoryMmap, GuestRegionMmap};

use crate::layout::{ABOVE_HOLE, DEVICES};

/// A piece of memory in the guest, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Its guest physical address.
    pub(crate) start: u64,
    /// Its bytes.
    pub(crate) length: u64,
}

/// Where so many bytes of memory are in the guest. In the file they follow each other.
pub(crate) fn pieces(bytes: u64) -> Vec<Piece> {
    let below = bytes.min(DEVICES);
    let above = bytes - below;
    let mut all = vec![Piece { start: 0, length: below }];
    if above > 0 {
        all.push(Piece { start: ABOVE_HOLE, length: above });
    }
    all
}

/// Maps the file: shared for a boot, so that it holds what the guest writes; private for a restore.
///
/// # Errors
/// `Memory`.
pub(crate) fn map(file: OwnedFd, bytes: u64, start: Start) -> Result<GuestMemoryMmap, Failure> {
    let failed = |cause: &dyn std::fmt::Display| Failure::Memory { cause: cause.to_string() };
    let file = Arc::new(File::from(file));
    // A page past its end would be a fault that kills this process, at a time that the guest chooses.
    let there = file.metadata().map_err(|error| failed(&error))?.len();
    if there < bytes {
        return Err(failed(&format!("its file has {there} bytes of {bytes}")));
    }
    let sharing = match start {
        Start::Boot => libc::MAP_SHARED,
        Start::Restore => libc::MAP_PRIVATE,
    };
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, sharing | libc::MAP_NORESERVE);
    let mut regions = Vec::new();
    let mut offset = 0;
    for piece in pieces(bytes) {
        let length = usize::try_from(piece.length).map_err(|error| failed(&error))?;
        let part = FileOffset::from_arc(Arc::clone(&file), offset);
        let mapped =
            MmapRegion::build(Some(part), length, protection, flags).map_err(|error| failed(&error))?;
        let region = GuestRegionMmap::new(mapped, GuestAddress(piece.start));
        regions.push(region.ok_or_else(|| failed(&"it exceeds the address space"))?);
        offset += piece.length;
    }
    GuestMemoryMmap::from_regions(regions).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

    use vm_memory::{Bytes, GuestMemoryBackend};

    use super::*;

    fn file(bytes: u64) -> (File, OwnedFd) {
        let file = File::from(rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap());
        file.set_len(bytes).unwrap();
        (file.try_clone().unwrap(), file.into())
    }

    #[test]
    fn memory_that_reaches_the_devices_goes_on_above_them() {
        assert_eq!(pieces(64 << 20), [Piece { start: 0, length: 64 << 20 }]);
        let above = Piece { start: ABOVE_HOLE, length: 4096 };
        assert_eq!(pieces(DEVICES + 4096), [Piece { start: 0, length: DEVICES }, above]);
    }

    #[test]
    fn what_a_booted_guest_writes_is_in_the_file_and_what_a_restored_one_writes_is_not() {
        for (start, expected) in [(Start::Boot, b'x'), (Start::Restore, 0)] {
            let (seen, given) = file(8192);
            let memory = map(given, 8192, start).unwrap();
            memory.write_obj(b'x', GuestAddress(4096)).unwrap();
            let mut byte = [0];
            std::os::unix::fs::FileExt::read_at(&seen, &mut byte, 4096).unwrap();
            assert_eq!(byte, [expected]);
        }
    }

    #[test]
    fn a_file_that_is_shorter_than_memory_is_refused() {
        let (_seen, given) = file(4096);
        assert!(matches!(map(given, 8192, Start::Boot), Err(Failure::Memory { .. })));
    }

    #[test]
    fn memory_around_the_hole_is_mapped_without_being_there() {
        let bytes = DEVICES + (1 << 20);
        let (_seen, given) = file(bytes);
        let memory = map(given, bytes, Start::Boot).unwrap();
        assert!(memory.check_address(GuestAddress(ABOVE_HOLE)).is_some());
        assert!(memory.check_address(GuestAddress(DEVICES)).is_none());
    }
}
