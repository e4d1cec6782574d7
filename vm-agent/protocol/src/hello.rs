//! The first frame of each end: who speaks, and which protocol.

use serde::{Deserialize, Serialize};

/// Version of everything in this crate but [`Hello`] itself, whose layout never changes.
///
/// There is no negotiation: host and agent are built and shipped together, and a snapshot that holds an
/// older agent is refused by the snapshot's own version first.
pub const VERSION: u8 = 3;

const MAGIC: [u8; 4] = *b"mimo";

/// The first frame of each end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    magic: [u8; 4],
    version: u8,
}

/// The other end cannot be talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// It does not speak this protocol at all.
    #[error("failed to recognise the other end")]
    NotThisProtocol,
    /// It speaks another version of it.
    #[error("failed to agree on a version: the other end speaks {theirs}, this one {VERSION}")]
    OtherVersion {
        /// What the other end speaks.
        theirs: u8,
    },
}

impl Hello {
    /// What this build says.
    pub const OURS: Self = Self { magic: MAGIC, version: VERSION };

    /// Checks what the other end said.
    ///
    /// # Errors
    /// Anything but [`Hello::OURS`].
    pub fn check(self) -> Result<(), HelloError> {
        if self.magic != MAGIC {
            return Err(HelloError::NotThisProtocol);
        }
        if self.version != VERSION {
            return Err(HelloError::OtherVersion { theirs: self.version });
        }
        Ok(())
    }
}
