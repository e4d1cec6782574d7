//! Reads and writes between a file and guest memory, without a copy in between: readv(2) and its kin.
#![allow(unsafe_code, reason = "no safe library reads into several places of guest memory at once")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use vm_memory::VolatileSlice;

/// Most places in one call: `UIO_MAXIOV` of `linux/uio.h`.
const MAX_PLACES: usize = 1024;

/// Reads into guest memory. Bytes read; zero at the end of the file.
pub(crate) fn read(file: BorrowedFd<'_>, into: &[VolatileSlice<'_>]) -> io::Result<usize> {
    let places = places(into);
    // SAFETY: each place is guest memory, which stays mapped as long as the slices live; see `places`.
    bytes(unsafe { libc::readv(file.as_raw_fd(), places.as_ptr(), count(&places)) })
}

/// Reads from this offset of a file into guest memory. Bytes read; zero at the end of the file.
pub(crate) fn read_at(file: BorrowedFd<'_>, into: &[VolatileSlice<'_>], offset: u64) -> io::Result<usize> {
    let (places, offset) = (places(into), place_in_file(offset)?);
    // SAFETY: as for `read`.
    bytes(unsafe { libc::preadv(file.as_raw_fd(), places.as_ptr(), count(&places), offset) })
}

/// Writes what is in guest memory. Bytes written.
pub(crate) fn write(file: BorrowedFd<'_>, from: &[VolatileSlice<'_>]) -> io::Result<usize> {
    let places = places(from);
    // SAFETY: as for `read`.
    bytes(unsafe { libc::writev(file.as_raw_fd(), places.as_ptr(), count(&places)) })
}

/// Writes what is in guest memory at this offset of a file. Bytes written.
pub(crate) fn write_at(file: BorrowedFd<'_>, from: &[VolatileSlice<'_>], offset: u64) -> io::Result<usize> {
    let (places, offset) = (places(from), place_in_file(offset)?);
    // SAFETY: as for `read`.
    bytes(unsafe { libc::pwritev(file.as_raw_fd(), places.as_ptr(), count(&places), offset) })
}

/// The slices as the kernel wants them. Guest memory is written by the guest at any time: only the kernel may follow these.
fn places(slices: &[VolatileSlice<'_>]) -> Vec<libc::iovec> {
    let slices = slices.iter().take(MAX_PLACES);
    slices
        .map(|slice| libc::iovec { iov_base: slice.ptr_guard_mut().as_ptr().cast(), iov_len: slice.len() })
        .collect()
}

fn count(places: &[libc::iovec]) -> libc::c_int {
    libc::c_int::try_from(places.len()).unwrap_or_default()
}

fn place_in_file(offset: u64) -> io::Result<libc::off_t> {
    libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn bytes(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
