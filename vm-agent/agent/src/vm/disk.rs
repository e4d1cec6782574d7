//! The machine's disks: virtio block devices that hold EROFS file systems, all of them read-only.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};

/// By the letters of the alphabet: more devices have two of them.
const MOST: u8 = 26;

/// The device of a disk: 0 is `/dev/vda`.
pub(super) fn device(disk: u8) -> Option<String> {
    (disk < MOST).then(|| format!("/dev/vd{}", char::from(b'a' + disk)))
}

/// A detached mount of what a disk holds.
pub(super) fn mount(disk: u8, attributes: MountAttrFlags) -> Result<OwnedFd, Errno> {
    let device = device(disk).ok_or(Errno::ENODEV)?;
    let detached = || {
        let context = fsopen("erofs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&context, "source", &device)?;
        fsconfig_set_flag(&context, "ro")?;
        fsconfig_create(&context)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes | MountAttrFlags::MOUNT_ATTR_RDONLY)
    };
    detached().map_err(|errno: rustix::io::Errno| Errno::from_raw(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_lettered_and_there_are_no_more_than_letters() {
        assert_eq!(device(0).as_deref(), Some("/dev/vda"));
        assert_eq!(device(25).as_deref(), Some("/dev/vdz"));
        assert_eq!(device(26), None);
    }
}
