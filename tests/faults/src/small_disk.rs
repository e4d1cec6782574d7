//! A disk of one mebibyte that a test may fill: the machine's own is never filled.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;

/// What such a disk gives out at a time.
const PAGE: [u8; 4096] = [b'x'; 4096];

/// Gone when it is dropped.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// An empty one. Takes root.
    pub fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("tmpfs"), folder.path(), Some("tmpfs"), flags, Some("size=1m,mode=700")).unwrap();
        Self(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes until there is no room for another byte.
    pub fn fill(&self) {
        let mut filler = File::create(self.filler()).unwrap();
        let full = std::iter::repeat_with(|| filler.write_all(&PAGE)).find_map(Result::err).unwrap();
        assert_eq!(full.kind(), ErrorKind::StorageFull);
    }

    /// Takes back so many bytes of what [`SmallDisk::fill`] wrote.
    pub fn leave(&self, bytes: u64) {
        let filler = OpenOptions::new().write(true).open(self.filler()).unwrap();
        let length = filler.metadata().unwrap().len();
        filler.set_len(length.checked_sub(bytes).unwrap()).unwrap();
    }

    /// Takes back all that [`SmallDisk::fill`] wrote.
    pub fn clear(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        umount2(self.0.path(), MntFlags::MNT_DETACH).unwrap();
    }
}
