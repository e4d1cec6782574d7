//! The machine's end.

use nix::sys::reboot::{RebootMode, reboot};

/// Stops the machine, whatever runs in it. Nothing is lost: all that it can write to is its memory. By a restart, as that is how
/// a kernel without firmware tells its VMM that it is done, by port 0x64. Returns only where that is refused; then the kernel
/// stops it, as its first process ends.
pub(super) fn off() {
    let Err(_refused) = reboot(RebootMode::RB_AUTOBOOT);
}
