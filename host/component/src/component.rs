//! The bytes of a component, before anything is compiled: read within a limit, told apart from what is none, digested.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// What every WebAssembly binary begins with (core specification, section 5.5.16).
const MAGIC: [u8; 4] = *b"\0asm";
/// The version and layer of a core module.
const CORE_MODULE: [u8; 4] = [0x01, 0x00, 0x00, 0x00];
/// The version and layer of a component (component model, `Binary.md`).
const COMPONENT: [u8; 4] = [0x0d, 0x00, 0x01, 0x00];

/// A component as it was read. It compiles when it is made into a [`Runner`](crate::Runner) or a
/// [`PolicyGuest`](crate::PolicyGuest), so that its digest can be checked before the compiler sees a byte of it.
#[derive(Clone)]
pub struct Component {
    name: Arc<str>,
    digest: Arc<str>,
    bytes: Arc<[u8]>,
}

/// Why bytes are not a component.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source of the bytes failed.
    #[error("failed to read the component")]
    Read(#[source] std::io::Error),
    /// It is longer than the operator's limit.
    #[error("too large: more than {most} bytes")]
    TooLarge {
        /// Bytes.
        most: u64,
    },
    /// It does not begin as WebAssembly does.
    #[error("not WebAssembly")]
    NotWebAssembly,
    /// A core module: what a compiler makes before it is wrapped into a component.
    #[error(
        "a core module, not a component: build it for wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// WebAssembly of a kind that this host does not know.
    #[error("neither a core module nor a component of a known version")]
    UnknownVersion,
}

impl Component {
    /// Reads a component of at most `most` bytes. `name` is what the operator calls it: logs, errors and policies use it.
    ///
    /// # Errors
    /// See [`ReadError`]. What is cut short after its header is found when it is compiled.
    pub fn read(name: &str, source: impl Read, most: u64) -> Result<Self, ReadError> {
        let mut bytes = Vec::new();
        // One byte more than allowed tells too large from just fitting, and nothing is read past it.
        source.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(ReadError::Read)?;
        if bytes.len() as u64 > most {
            return Err(ReadError::TooLarge { most });
        }
        let Some((magic, rest)) = bytes.split_first_chunk::<4>() else {
            return Err(ReadError::NotWebAssembly);
        };
        if *magic != MAGIC {
            return Err(ReadError::NotWebAssembly);
        }
        match rest.first_chunk::<4>() {
            Some(&COMPONENT) => {}
            Some(&CORE_MODULE) => return Err(ReadError::CoreModule),
            _ => return Err(ReadError::UnknownVersion),
        }
        let digest = format!("sha256:{}", Hexadecimal(&Sha256::digest(&bytes)));
        Ok(Self { name: name.into(), digest: digest.into(), bytes: bytes.into() })
    }

    /// What the operator calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `sha256:` and the digest of its bytes in lower-case hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Its length in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

struct Hexadecimal<'a>(&'a [u8]);

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
