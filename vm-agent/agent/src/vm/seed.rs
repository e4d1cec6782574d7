//! Entropy for the kernel's generator: random(4). A copy of a saved machine would draw the same numbers as its siblings.

#![allow(unsafe_code, reason = "ioctl(2) for what no wrapper offers")]

use std::os::fd::AsRawFd as _;

use mimobox_protocol::ENTROPY;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

const DEVICE: &str = "/dev/urandom";

/// The generator was not seeded.
#[derive(Debug, thiserror::Error)]
pub(super) enum SeedError {
    #[error("failed to open the random number generator")]
    Open(#[source] Errno),
    #[error("failed to add to the random number generator's pool")]
    Add(#[source] Errno),
    #[error("failed to make the random number generator draw on its pool")]
    Reseed(#[source] Errno),
}

/// The kernel's `struct rand_pool_info`, with as much in it as there always is.
#[repr(C)]
struct PoolInfo {
    entropy_bits: libc::c_int,
    bytes: libc::c_int,
    entropy: [u8; ENTROPY],
}

#[expect(clippy::cast_possible_wrap, clippy::cast_possible_truncation, reason = "32")]
const BYTES: libc::c_int = ENTROPY as libc::c_int;

/// `RNDADDENTROPY`: `_IOW('R', 3, int[2])`.
const ADD_ENTROPY: libc::Ioctl = 0x4008_5203;
/// `RNDRESEEDCRNG`: `_IO('R', 7)`.
const RESEED: libc::Ioctl = 0x5207;

/// Adds `entropy`, and makes every number from now on depend on it.
pub(super) fn seed(entropy: &[u8; ENTROPY]) -> Result<(), SeedError> {
    let device = open(DEVICE, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()).map_err(SeedError::Open)?;
    let info = PoolInfo { entropy_bits: BYTES * 8, bytes: BYTES, entropy: *entropy };
    // SAFETY: the kernel reads the structure, whose length is in it, and keeps no pointer to it.
    let added = unsafe { libc::ioctl(device.as_raw_fd(), ADD_ENTROPY, &raw const info) };
    Errno::result(added).map_err(SeedError::Add)?;
    // SAFETY: takes numbers only.
    let reseeded = unsafe { libc::ioctl(device.as_raw_fd(), RESEED) };
    Errno::result(reseeded).map(drop).map_err(SeedError::Reseed)
}
