//! What stands at a path of an image.

use std::fmt;
use std::io::{self, Read};

/// Owner, mode and time of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The twelve bits of chmod(2); others are left out.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The owning group.
    pub gid: u32,
    /// Of the last change, in seconds since 1970.
    pub modified: i64,
}

impl Attributes {
    /// Root's, unchanged since 1970.
    pub fn of_root(mode: u16) -> Self {
        Self { mode, uid: 0, gid: 0, modified: 0 }
    }
}

/// What an entry is.
#[derive(Debug)]
pub enum Entry<'a> {
    /// A directory. What is in it is added by paths of its own.
    Directory,
    /// A regular file.
    File(Contents<'a>),
    /// A symbolic link, with what it leads to: 1 to 4095 bytes, none of them NUL.
    SymbolicLink(Vec<u8>),
    /// A character device.
    CharacterDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A named pipe.
    Pipe,
    /// A socket's name.
    Socket,
}

/// The numbers of a device, as Linux keeps them: 12 and 20 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

/// Opens what a file holds, when its turn comes.
type Open<'a> = Box<dyn FnOnce() -> io::Result<Box<dyn Read + 'a>> + 'a>;

/// What a file holds. Its size is known beforehand, the bytes are read when the image is written.
pub struct Contents<'a> {
    size: u64,
    open: Open<'a>,
}

impl<'a> Contents<'a> {
    /// These bytes.
    pub fn bytes(bytes: impl AsRef<[u8]> + 'a) -> Self {
        let size = bytes.as_ref().len() as u64;
        Self::deferred(size, move || Ok(Box::new(io::Cursor::new(bytes))))
    }

    /// `size` bytes of a reader, which is held open until the image is written.
    pub fn reader(size: u64, reader: impl Read + 'a) -> Self {
        Self::deferred(size, move || Ok(Box::new(reader)))
    }

    /// `size` bytes of what `open` gives. It is called once, so that no more than one file is open at a time.
    pub fn deferred(size: u64, open: impl FnOnce() -> io::Result<Box<dyn Read + 'a>> + 'a) -> Self {
        Self { size, open: Box::new(open) }
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whatever it gives beyond its size is not read.
    pub(crate) fn open(self) -> io::Result<impl Read + 'a> {
        let size = self.size;
        (self.open)().map(|reader| reader.take(size))
    }
}

impl fmt::Debug for Contents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents").field("size", &self.size).finish_non_exhaustive()
    }
}
