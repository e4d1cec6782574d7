//! Images as Linux reads them: a directory of the host becomes an image, is mounted, and both are held against each other.
//!
//! Needs root, and a kernel that mounts an EROFS image straight from a file (Linux 6.12). Where that is missing, it says so;
//! in CI it is a failure.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use mimobox_erofs::{Attributes, Builder, Contents, Entry};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};
use tempfile::TempDir;

/// A mounted image, at no path of the host's. It is unmounted when this is dropped.
struct Mounted(OwnedFd);

impl Mounted {
    fn root(&self) -> PathBuf {
        format!("/proc/self/fd/{}/", self.0.as_raw_fd()).into()
    }
}

/// None, with the reason said, where this machine can't.
fn mount(image: &Path) -> Option<Mounted> {
    let mounted = || {
        let context = fsopen("erofs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&context, "source", image)?;
        fsconfig_set_flag(&context, "ro")?;
        fsconfig_create(&context)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY)
    };
    match mounted() {
        Ok(root) => Some(Mounted(root)),
        Err(error) => {
            let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
            assert!(!ci, "failed to mount an image: {error}");
            eprintln!("skipped: this machine mounts no image from a file: {error}");
            None
        }
    }
}

/// Writes zeros as holes, so that a large image needs no disk.
struct Sparse(File);

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.iter().all(|byte| *byte == 0) {
            self.0.seek(SeekFrom::Current(i64::try_from(bytes.len()).unwrap()))?;
            return Ok(bytes.len());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        // The end may be a hole too.
        let end = self.0.stream_position()?;
        self.0.set_len(end)
    }
}

/// Not among files in memory, which can't be mounted.
fn place() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn write(builder: Builder<'_>, place: &Path) -> PathBuf {
    let path = place.join("image.erofs");
    let mut file = Sparse(File::create(&path).unwrap());
    builder.write(&mut file, &mut |_| ()).unwrap();
    file.flush().unwrap();
    path
}

/// Holds all beneath two directories against each other. Gives how much there was.
fn compare(one: &Path, other: &Path) -> usize {
    let names = |path: &Path| {
        let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let listed = names(one);
    assert_eq!(listed, names(other), "{}", one.display());
    let mut count = listed.len();
    for name in listed {
        let (one, other) = (one.join(&name), other.join(&name));
        let (here, there) = (fs::symlink_metadata(&one).unwrap(), fs::symlink_metadata(&other).unwrap());
        let described =
            |of: &fs::Metadata| (of.mode(), of.uid(), of.gid(), of.mtime(), of.nlink(), of.rdev());
        assert_eq!(described(&here), described(&there), "{}", one.display());
        if here.is_dir() {
            count += compare(&one, &other);
        } else if here.is_symlink() {
            assert_eq!(fs::read_link(&one).unwrap(), fs::read_link(&other).unwrap());
        } else if here.is_file() {
            assert!(fs::read(&one).unwrap() == fs::read(&other).unwrap(), "{}", one.display());
        }
    }
    count
}

#[test]
fn linux_reads_a_directory_as_it_was() {
    let place = place();
    let root = place.path().join("root");
    fs::create_dir_all(root.join("many")).unwrap();
    for number in 0..2000 {
        fs::write(root.join(format!("many/{number}")), format!("{number}")).unwrap();
    }
    for size in [0, 1, 1984, 1985, 4095, 4096, 4097, 1_000_000] {
        let contents: Vec<u8> = (0..size).map(|at: u32| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
        fs::write(root.join(format!("file of {size}")), contents).unwrap();
    }
    fs::create_dir_all(root.join("deep").join("down/".repeat(200))).unwrap();
    fs::write(root.join("x".repeat(255)), "of the longest name").unwrap();
    symlink("nowhere", root.join("short link")).unwrap();
    symlink("y".repeat(4095), root.join("long link")).unwrap();
    fs::hard_link(root.join("many/7"), root.join("deep/seven")).unwrap();
    fs::set_permissions(root.join("many/8"), fs::Permissions::from_mode(0o4751)).unwrap();
    mknodat(CWD, root.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    if rustix::process::geteuid().is_root() {
        mknodat(CWD, root.join("device"), FileType::BlockDevice, Mode::RUSR, makedev(259, 70_000)).unwrap();
        lchown(root.join("short link"), Some(70_000), Some(4_000_000_000)).unwrap();
    }

    let mut builder = Builder::new();
    let directory = File::open(&root).unwrap();
    builder.add_tree(&directory, 10_000, &mut |found| Some(found.attributes)).unwrap();
    let image = write(builder, place.path());
    let Some(mounted) = mount(&image) else { return };
    assert_eq!(compare(&root, &mounted.root()), 2000 + 8 + 201 + 1 + 2 + 1 + 2 + 2);
    // Found by its name, not only listed.
    assert!(mounted.root().join("many/1999").exists() && !mounted.root().join("many/2000").exists());
}

#[test]
fn linux_reads_the_end_of_a_file_beyond_four_gibibytes() {
    const SIZE: u64 = 5 << 30;
    let place = place();
    let mut builder = Builder::new();
    let contents = Contents::reader(SIZE, io::repeat(0).take(SIZE - 3).chain(&b"end"[..]));
    builder.add(b"large", Attributes::of_root(0o444), Entry::File(contents)).unwrap();
    builder.add(b"other", Attributes::of_root(0o444), Entry::File(Contents::bytes([b'o'; 5000]))).unwrap();
    let image = write(builder, place.path());
    let Some(mounted) = mount(&image) else { return };
    let large = File::open(mounted.root().join("large")).unwrap();
    assert_eq!(large.metadata().unwrap().len(), SIZE);
    let mut end = [1; 5];
    large.read_exact_at(&mut end, SIZE - 5).unwrap();
    assert_eq!(end, *b"\0\0end");
    assert_eq!(fs::read(mounted.root().join("other")).unwrap(), [b'o'; 5000]);
}
