//! Capabilities: what root of a sandbox's user namespace may do.
//!
//! While it carries out its plan the agent holds `TO_CARRY_OUT_A_PLAN`; when it serves, [`TO_SERVE`]; a command holds none. Whoever is root gains nothing by it (`SECBIT_NOROOT`), and the bounding set forbids the rest for good.

use nix::errno::Errno;

use crate::enforcement::{Enforcement, Mechanism};
use crate::sys::{self, CapabilitySets};

/// Numbers of `linux/capability.h`.
const CHOWN: u64 = 1 << 0;
const DAC_OVERRIDE: u64 = 1 << 1;
const FOWNER: u64 = 1 << 3;
const KILL: u64 = 1 << 5;
const SETGID: u64 = 1 << 6;
const SETUID: u64 = 1 << 7;
const SETPCAP: u64 = 1 << 8;

/// Switch users for a command, signal it, and take from it what the bounding set still holds; save and restore the files of
/// every user, each of whom the agent could become.
pub(crate) const TO_SERVE: u64 = CHOWN | DAC_OVERRIDE | FOWNER | KILL | SETGID | SETUID | SETPCAP;

/// That, and: mount, pivot and name the host; bring up loopback.
#[cfg(feature = "host")]
pub(crate) const TO_CARRY_OUT_A_PLAN: u64 = {
    const NET_ADMIN: u64 = 1 << 12;
    const SYS_CHROOT: u64 = 1 << 18;
    const SYS_ADMIN: u64 = 1 << 21;
    TO_SERVE | NET_ADMIN | SYS_CHROOT | SYS_ADMIN
};

/// `SECBIT_NOROOT`, `SECBIT_NO_CAP_AMBIENT_RAISE`, and the locks of these and of `SECBIT_KEEP_CAPS`: `linux/securebits.h`.
/// Not `SECBIT_NO_SETUID_FIXUP`: leaving user 0 must clear a command's capabilities.
const SECURE_BITS: libc::c_ulong = 0x01 | 0x02 | 0x20 | 0x40 | 0x80;

/// Capabilities were not given up.
#[derive(Debug, thiserror::Error)]
pub enum CapabilityError {
    /// The bounding set was not cut.
    #[error("failed to drop a capability from the bounding set")]
    Bounding(#[source] Errno),
    /// The securebits were not set or the ambient set not cleared.
    #[error("failed to set the securebits")]
    SecureBits(#[source] Errno),
    /// The sets were not cut.
    #[error("failed to set the capabilities")]
    Sets(#[source] Errno),
}

/// Gives up all that serving does not need, for good.
pub(crate) fn reduce() -> Result<Enforcement, CapabilityError> {
    cut_bounding_to(TO_SERVE).map_err(CapabilityError::Bounding)?;
    sys::set_secure_bits(SECURE_BITS).map_err(CapabilityError::SecureBits)?;
    let sets = CapabilitySets { permitted: TO_SERVE, inheritable: 0 };
    sys::set_capabilities(sets).map_err(CapabilityError::Sets)?;
    let detail = "agent: chown, dac_override, fowner, kill, setgid, setuid, setpcap; commands: none";
    Ok(Enforcement::enforced(Mechanism::Capabilities, detail))
}

/// Empties the bounding set, so that nothing that a new process executes can ever have a capability. For the agent, between
/// clone and exec of a command, just before it changes its user, which takes the capabilities themselves. Makes system calls
/// only.
///
/// # Errors
/// Those of prctl(2).
pub fn empty_bounding_set() -> Result<(), Errno> {
    let mut rest = TO_SERVE;
    while rest != 0 {
        drop_from_bounding(rest.trailing_zeros())?;
        rest &= rest - 1;
    }
    Ok(())
}

/// Gives up the capabilities that changing to another user would take. For the agent, between clone and exec of a command
/// that runs as the agent's own user. Makes system calls only.
///
/// # Errors
/// Those of capset(2).
pub fn give_up_capabilities() -> Result<(), Errno> {
    sys::set_capabilities(CapabilitySets { permitted: 0, inheritable: 0 })
}

fn cut_bounding_to(kept: u64) -> Result<(), Errno> {
    for capability in 0..u64::BITS {
        if kept & (1 << capability) == 0 {
            match drop_from_bounding(capability) {
                // Past the last one that this kernel knows.
                Err(Errno::EINVAL) => break,
                answer => answer?,
            }
        }
    }
    Ok(())
}

fn drop_from_bounding(capability: u32) -> Result<(), Errno> {
    sys::drop_bounding(u8::try_from(capability).map_err(|_| Errno::EINVAL)?)
}
