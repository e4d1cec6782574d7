//! Puts an archive where it can be read more than once: an image's manifest may come after its layers.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, unlinkat};

use super::compression::Compression;
use super::error::{ArchiveFault, ImportError};
use super::limits::Budget;

/// Its name for the moment between its making and the taking away of its name.
const NAME: &str = "archive";
const CHUNK: usize = 64 * 1024;

/// The source itself where it is an uncompressed file; otherwise a copy without a name, in `place`.
pub(crate) fn seekable(
    source: File,
    place: BorrowedFd<'_>,
    budget: &Budget<'_>,
) -> Result<File, ImportError> {
    let stat = fstat(&source).map_err(|error| ImportError::OpenSource(error.into()))?;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let mut stream = BufReader::with_capacity(CHUNK, source);
    let compression = Compression::of(&mut stream)?;
    if is_file && compression == Compression::None {
        let mut file = stream.into_inner();
        file.rewind().map_err(ImportError::of_stream)?;
        return Ok(file);
    }
    let plain = compression.undo(stream).map_err(ImportError::of_stream)?;
    copy(budget.bounded(plain), place)
}

fn copy(mut from: impl Read, place: BorrowedFd<'_>) -> Result<File, ImportError> {
    let spool = |error: io::Error| ImportError::from(ArchiveFault::Spool(error));
    let mut to = unnamed(place).map_err(spool)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk).map_err(ImportError::of_stream)?;
        if read == 0 {
            break;
        }
        to.write_all(chunk.get(..read).unwrap_or_default()).map_err(spool)?;
    }
    to.rewind().map_err(spool)?;
    Ok(to)
}

fn unnamed(place: BorrowedFd<'_>) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(place, NAME, flags, Mode::RUSR | Mode::WUSR)?;
    unlinkat(place, NAME, AtFlags::empty())?;
    Ok(file.into())
}
