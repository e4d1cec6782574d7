//! Capability sets and securebits: capabilities(7).
#![allow(unsafe_code, reason = "no safe library that we use wraps these calls")]

use nix::errno::Errno;

use super::check;

/// `_LINUX_CAPABILITY_VERSION_3` of `linux/capability.h`: two words of 32 bits a set.
const VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    /// 0: the caller.
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

impl Word {
    /// With all in effect that is permitted.
    #[cfg(feature = "host")]
    pub(super) fn in_effect(self) -> Self {
        Self { effective: self.permitted, ..self }
    }
}

/// Sets of capabilities, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CapabilitySets {
    /// Permitted, and in effect.
    pub(crate) permitted: u64,
    /// Passed on to a program that has the same in its file: always none here.
    pub(crate) inheritable: u64,
}

/// Sets the caller's capabilities; the effective set is the permitted one.
pub(crate) fn set_capabilities(sets: CapabilitySets) -> Result<(), Errno> {
    let word = |shift: u32| {
        let low = |set: u64| ((set >> shift) & 0xffff_ffff) as u32;
        Word {
            effective: low(sets.permitted),
            permitted: low(sets.permitted),
            inheritable: low(sets.inheritable),
        }
    };
    set_words(&[word(0), word(32)])
}

/// The calling thread's.
#[cfg(feature = "host")]
pub(super) fn words() -> Result<[Word; 2], Errno> {
    let header = Header { version: VERSION, pid: 0 };
    let mut words = [Word::default(); 2];
    // SAFETY: header and the two words that its version stands for are live, and ours alone.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw const header, words.as_mut_ptr()) })?;
    Ok(words)
}

/// Sets the calling thread's.
pub(super) fn set_words(words: &[Word; 2]) -> Result<(), Errno> {
    let header = Header { version: VERSION, pid: 0 };
    // SAFETY: header and the two words that its version stands for are live, and only read.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, words.as_ptr()) })?;
    Ok(())
}

/// Takes one capability out of the bounding set. `EINVAL`: the kernel has no such capability.
pub(crate) fn drop_bounding(capability: u8) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe {
        libc::syscall(libc::SYS_prctl, libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0, 0, 0)
    })?;
    Ok(())
}

/// Sets the securebits and clears the ambient set, which only a start from the host needs.
pub(crate) fn set_secure_bits(bits: libc::c_ulong) -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_SECUREBITS, bits, 0, 0, 0) })?;
    let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL;
    // SAFETY: takes numbers only.
    check(unsafe { libc::syscall(libc::SYS_prctl, libc::PR_CAP_AMBIENT, clear, 0, 0, 0) })?;
    Ok(())
}
