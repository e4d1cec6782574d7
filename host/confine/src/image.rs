//! The root of an image: an overlay of the image itself, which nobody writes to, and of an upper directory in the sandbox's
//! own memory, which takes whatever is written: the kernel's `filesystems/overlayfs.rst`.
//!
//! ```text
//!   stage (tmpfs, of limited size)          the sandbox's root
//!     .lower   the image, read-only  ──┐
//!     .upper   what is written       ──┴──► .root, an overlay
//!     .work    the overlay's own              ├── dev   as the plan's earlier steps made it
//!     dev, proc ─────────────────────────────►└── proc
//! ```
//!
//! The image is hostile. What of it is looked up before the root is entered is looked up by `inside`.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{fchdir, mkdir};

use crate::enforcement::{Enforcement, Mechanism};
use crate::inside::{self, Reach};
use crate::mounts::{MountError, relative};
use crate::plan::{Account, Owner};
use crate::sys::{attach_mount, attach_mount_on, clone_mount, keeps_user_attributes};

const LOWER: &str = ".lower";
const UPPER: &str = ".upper";
const WORK: &str = ".work";
const ROOT: &str = ".root";

/// What earlier steps made on the stage and the image is not asked for.
const OURS: [&str; 2] = ["dev", "proc"];

/// As much of an image's `/etc/passwd` or `/etc/group` as is looked at; a distribution's own has some 2 KiB.
const LONGEST_LIST: u64 = 256 * 1024;

/// Mounts the overlay of `lower`, a detached mount, puts `/dev` and `/proc` of the stage into it, and makes it the working
/// directory. Hands back the upper directory, open: what the sandbox wrote is in there, and after the root is entered no path
/// leads to it.
pub(crate) fn enter_image(lower: BorrowedFd<'_>) -> Result<(Enforcement, OwnedFd), MountError> {
    for (name, mode) in [(LOWER, 0o700), (UPPER, 0o755), (WORK, 0o700), (ROOT, 0o700)] {
        make(name, mode).map_err(|source| MountError::Directory(name.to_owned(), source))?;
    }
    let at = CString::new(LOWER).map_err(MountError::Nul)?;
    attach_mount(lower, &at).map_err(|source| MountError::Attach(LOWER.to_owned(), source))?;
    let options = format!("lowerdir={LOWER},upperdir={UPPER},workdir={WORK},userxattr");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("mimobox"), ROOT, Some("overlay"), flags, Some(options.as_str()))
        .map_err(MountError::Overlay)?;
    let directory = |name, flags| {
        open(name, flags | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).map_err(MountError::Stage)
    };
    let ours = OURS.map(|name| {
        let path = CString::new(name).map_err(MountError::Nul)?;
        let clone = clone_mount(AT_FDCWD, &path);
        Ok((name, clone.map_err(|source| MountError::Clone(name.to_owned(), source))?))
    });
    let upper = directory(UPPER, OFlag::O_RDONLY)?;
    fchdir(directory(ROOT, OFlag::O_PATH)?).map_err(MountError::Stage)?;
    for made in ours {
        let (name, clone) = made?;
        // Where the image has a link instead, programs will follow it as well.
        let place = inside::open_directory(Path::new(name), Reach::Root)
            .map_err(|source| MountError::Directory(format!("/{name}"), source))?;
        attach_mount_on(clone.as_fd(), place.as_fd())
            .map_err(|source| MountError::Attach(format!("/{name}"), source))?;
    }
    let detail = "overlay over the image; what is written is memory of the sandbox";
    let line = match keeps_user_attributes(upper.as_fd()).map_err(MountError::Overlay)? {
        true => Enforcement::enforced(Mechanism::RootFilesystem, detail),
        false => Enforcement::partial(
            Mechanism::RootFilesystem,
            format!("{detail}; directories of the image cannot be made anew once removed, before Linux 6.6"),
        ),
    };
    Ok((line, upper))
}

fn make(name: &str, mode: u32) -> Result<(), Errno> {
    let mode = Mode::from_bits_truncate(mode);
    mkdir(name, mode)?;
    // Not by mkdir, which heeds the umask.
    let made = open(name, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    fchmod(made, mode)
}

/// Makes a directory, unless the image has it.
pub(crate) fn ensure_directory(path: &str, mode: u32, owner: Owner) -> Result<(), MountError> {
    inside::ensure_directory(relative(path)?, Mode::from_bits_truncate(mode), owner)
        .map_err(|source| MountError::Directory(path.to_owned(), source))
}

/// Makes a file that everybody may read, in the place of the image's.
pub(crate) fn replace_file(path: &str, contents: &[u8]) -> Result<(), MountError> {
    let mode = Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP | Mode::S_IROTH;
    let failed = |source| MountError::File(path.to_owned(), source);
    let file = inside::replace_file(relative(path)?, mode).map_err(failed)?;
    File::from(file).write_all(contents).map_err(|error| failed(errno_of(&error)))
}

/// Adds a line to a list of accounts, unless its name or number is taken or the list is none.
pub(crate) fn add_account(account: &Account) -> Result<(), MountError> {
    let Account { path, line } = account;
    let list = match inside::open(relative(path)?, OFlag::O_RDONLY | OFlag::O_NONBLOCK, Reach::Root) {
        Err(Errno::ENOENT) => Vec::new(),
        Err(source) => return Err(MountError::File(path.clone(), source)),
        Ok(list) => match read_list(list.into()) {
            Some(list) => list,
            // Whatever it is, the agent will not find a user in it either.
            None => return Ok(()),
        },
    };
    match with_account(list, line) {
        Some(longer) => replace_file(path, &longer),
        None => Ok(()),
    }
}

fn read_list(file: File) -> Option<Vec<u8>> {
    let whole =
        file.metadata().ok().filter(|metadata| metadata.is_file() && metadata.len() <= LONGEST_LIST)?;
    let mut list = Vec::with_capacity(usize::try_from(whole.len()).unwrap_or_default());
    file.take(LONGEST_LIST).read_to_end(&mut list).ok()?;
    Some(list)
}

/// The list with a line added; none where the line's name or number is in it. Both passwd(5) and group(5) have the name
/// first and the number third.
fn with_account(mut list: Vec<u8>, line: &str) -> Option<Vec<u8>> {
    let key = |line: &[u8], place: usize| line.split(|byte| *byte == b':').nth(place).map(<[u8]>::to_vec);
    let taken = list.split(|byte| *byte == b'\n').any(|known| {
        [0, 2]
            .into_iter()
            .any(|place| key(known, place).is_some_and(|value| Some(value) == key(line.as_bytes(), place)))
    });
    if taken {
        return None;
    }
    if list.last().is_some_and(|last| *last != b'\n') {
        list.push(b'\n');
    }
    list.extend_from_slice(line.as_bytes());
    list.push(b'\n');
    Some(list)
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "sandbox:x:1000:1000:sandbox:/home/sandbox:/bin/sh";

    fn added(list: &str) -> Option<String> {
        with_account(list.as_bytes().to_vec(), LINE).map(|list| String::from_utf8(list).unwrap())
    }

    #[test]
    fn an_account_is_added_on_a_line_of_its_own() {
        assert_eq!(added("").unwrap(), format!("{LINE}\n"));
        assert_eq!(added("root:x:0:0::/:/bin/sh").unwrap(), format!("root:x:0:0::/:/bin/sh\n{LINE}\n"));
    }

    #[test]
    fn a_name_or_number_that_is_taken_is_left_to_whom_it_belongs() {
        assert_eq!(added("node:x:1000:1000::/home/node:/bin/sh\n"), None);
        assert_eq!(added("sandbox:x:7:7::/:/bin/sh\n"), None);
        assert!(added("node:x:10000:1000::/:/bin/sh\nsand:x:7:7::/:/bin/sh\n").is_some());
    }
}
