//! The trees that a sandbox writes to, each by its place in the sandbox.

use std::ffi::OsStr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

/// The kernel gives up where somebody renames what it is walking through.
const ATTEMPTS: u32 = 16;

/// What of a sandbox of the image `host` can be written to, apart from volumes.
const OF_HOST_IMAGE: [&str; 3] = ["tmp", "home/sandbox", "dev/shm"];
/// What lies beside the overlay of another image.
const BESIDE_OVERLAY: [&str; 1] = ["dev/shm"];

/// All trees of one sandbox.
#[derive(Debug)]
pub(crate) struct Trees(Vec<Tree>);

/// One tree.
#[derive(Debug)]
pub(crate) struct Tree {
    /// Relative to the sandbox's root. Empty: it is that root.
    pub(super) place: PathBuf,
    root: OwnedFd,
}

impl Trees {
    /// Those to be saved: with `upper`, what was written over an image.
    pub(crate) fn to_save(upper: Option<&OwnedFd>) -> Result<Self, Errno> {
        Self::of("/", upper.map(OwnedFd::try_clone).transpose().map_err(errno)?)
    }

    /// Those to restore to: with `over_image`, the whole root, which is an overlay.
    pub(crate) fn to_restore(over_image: bool) -> Result<Self, Errno> {
        Self::of("/", if over_image { Some(directory("/")?) } else { None })
    }

    /// With `overlay`, what an overlay's root or upper directory holds.
    pub(super) fn of(root: &str, overlay: Option<OwnedFd>) -> Result<Self, Errno> {
        let places = if overlay.is_some() { &BESIDE_OVERLAY[..] } else { &OF_HOST_IMAGE };
        let beside = places.iter().map(|place| {
            Ok(Tree { place: PathBuf::from(place), root: directory(Path::new(root).join(place))? })
        });
        let overlay = overlay.map(|root| Ok(Tree { place: PathBuf::new(), root }));
        // The overlay last: it is the place of whatever is nowhere else.
        beside.chain(overlay).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Tree> {
        self.0.iter()
    }

    /// The tree that a name of an archive is in, and the name in there.
    pub(super) fn find<'a>(&self, name: &'a Path) -> Option<(&Tree, &'a Path)> {
        let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
        if !plain {
            return None;
        }
        self.0.iter().find_map(|tree| name.strip_prefix(&tree.place).ok().map(|inside| (tree, inside)))
    }
}

impl Tree {
    /// Opens what is in the tree: nothing that a link leads to, and nothing that is mounted there.
    pub(super) fn open(&self, path: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS
            | ResolveFlag::RESOLVE_NO_XDEV;
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let mut answer = Err(Errno::EAGAIN);
        for _ in 0..ATTEMPTS {
            answer = openat2(self.root.as_fd(), path, how);
            if !matches!(answer, Err(Errno::EAGAIN)) {
                break;
            }
        }
        answer
    }

    /// The directory that a path is in, and the path's last part. None for the tree's root.
    pub(super) fn parent<'a>(&self, path: &'a Path) -> Result<Option<(OwnedFd, &'a OsStr)>, Errno> {
        let Some(name) = path.file_name() else { return Ok(None) };
        let parent = self.open(path.parent().unwrap_or(Path::new("")), OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        Ok(Some((parent, name)))
    }
}

fn directory(path: impl AsRef<Path>) -> Result<OwnedFd, Errno> {
    open(path.as_ref(), OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

pub(super) fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}
