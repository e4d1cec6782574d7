//! Installing a seccomp filter, and asking for what the kernel has: seccomp(2), landlock(7).
#![allow(unsafe_code, reason = "no safe library that the agent links wraps these calls")]

use nix::errno::Errno;

use super::check;
use crate::seccomp::Instruction;

/// Installs a filter on the calling thread, for good.
pub(crate) fn install_filter(instructions: &[Instruction]) -> Result<(), Errno> {
    let mut program: Vec<libc::sock_filter> = instructions
        .iter()
        .map(|instruction| libc::sock_filter {
            code: instruction.code,
            jt: instruction.jump_true,
            jf: instruction.jump_false,
            k: instruction.operand,
        })
        .collect();
    let length = u16::try_from(program.len()).map_err(|_| Errno::EINVAL)?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: `program` points to as many live instructions as it says; the kernel copies and checks them.
    check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) })?;
    Ok(())
}

/// Whether filters can answer a call with an error number.
#[cfg(feature = "host")]
pub(crate) fn errno_filters_available() -> bool {
    let action: u32 = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the third argument points to a live number, which is only read.
    check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) })
        .is_ok()
}

/// The kernel's Landlock ABI; none where it is not built in or not switched on.
#[cfg(feature = "host")]
pub(crate) fn landlock_abi() -> Option<u32> {
    /// `LANDLOCK_CREATE_RULESET_VERSION` of `linux/landlock.h`.
    const VERSION: u32 = 1;
    // SAFETY: with this flag the kernel wants no structure, and none is given.
    let answer =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION) };
    check(answer).ok().and_then(|abi| u32::try_from(abi).ok())
}
