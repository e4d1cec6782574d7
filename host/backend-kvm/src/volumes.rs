//! A directory of the host as a disk: an EROFS image of what is in it now.
//!
//! A guest's kernel cannot reach a directory of the host's. Passing one on would take a file server on the host that speaks to
//! a hostile kernel, which is more to attack than all devices together; a disk is bytes. So a volume is read-only, and shows
//! what was there when the sandbox was made.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::fd::BorrowedFd;
use std::path::Path;

use mimobox_erofs::{Builder, WriteError};
use rustix::fs::{Mode, OFlags, open};

use crate::error::CreateError;

/// Most files, directories and links of a volume.
const MOST: u64 = 1_000_000;
const BUFFER: usize = 256 * 1024;

/// Makes a disk of what is in the directory. The file is in `folder` without a name, and goes with its descriptor. Blocks for
/// as long as it takes to copy it all.
pub(crate) fn disk_of(name: &str, directory: BorrowedFd<'_>, folder: &Path) -> Result<File, CreateError> {
    let mut builder = Builder::new();
    builder
        .add_tree(directory, MOST, &mut |found| Some(found.attributes))
        .map_err(|source| CreateError::ReadVolume(name.to_owned(), source))?;
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = File::from(open(folder, flags, Mode::RUSR | Mode::WUSR).map_err(CreateError::VolumeFile)?);
    let failed = |source| CreateError::WriteVolume(name.to_owned(), source);
    let mut writer = BufWriter::with_capacity(BUFFER, &file);
    builder.write(&mut writer, &mut |_| {}).map_err(failed)?;
    writer.flush().map_err(|error| failed(WriteError::Write(error)))?;
    drop(writer);
    Ok(file)
}
