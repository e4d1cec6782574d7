//! How an archive is compressed: told by its first bytes, whatever its name or its media type says.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;

use super::error::{ArchiveFault, ImportError};

/// First bytes of what this store reads (RFC 1952, RFC 8878), and of what it would be a pity to call damaged.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const OTHERS: [(&[u8], &str); 3] = [(b"\xfd7zXZ", "xz"), (b"BZh", "bzip2"), (b"\x04\x22\x4d\x18", "lz4")];
/// A zstd frame can ask for as much memory as it likes; this is what its own program grants (128 MiB).
const ZSTD_WINDOW_LOG: u32 = 27;

/// How bytes are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// Looks at the first bytes, and leaves them to be read.
    pub(crate) fn of(stream: &mut impl BufRead) -> Result<Self, ImportError> {
        let first = stream.fill_buf().map_err(ImportError::of_stream)?;
        if let Some((_, name)) = OTHERS.iter().find(|(magic, _)| first.starts_with(magic)) {
            return Err(ArchiveFault::Compression(name).into());
        }
        Ok(match first {
            first if first.starts_with(GZIP) => Self::Gzip,
            first if first.starts_with(ZSTD) => Self::Zstd,
            _ => Self::None,
        })
    }

    /// The stream without its compression.
    pub(crate) fn undo<'a>(self, stream: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::None => Box::new(stream),
            Self::Gzip => Box::new(MultiGzDecoder::new(stream)),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(stream)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
        })
    }
}
