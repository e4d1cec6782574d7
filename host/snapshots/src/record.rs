//! The record of a snapshot, as JSON in its file.

use mimobox_sandbox::{Record, Spec};
use sha2::{Digest as _, Sha256};

use crate::error::{FormatError, StoreError};
use crate::header::{Digest, Header};

/// Far above what the domain lets a spec hold: its environment is the largest part.
pub(crate) const LONGEST: u64 = 1024 * 1024;
/// As long as a name may be that the domain takes.
const LONGEST_IMAGE: usize = 128;

/// A record and its digest, as they go into a file.
pub(crate) fn encode(record: &Record) -> Result<(Vec<u8>, Digest), StoreError> {
    if record.memory {
        return Err(StoreError::Memory);
    }
    let bytes = serde_json::to_vec(record).map_err(StoreError::Encode)?;
    if bytes.len() as u64 > LONGEST {
        return Err(FormatError::OversizedRecord.into());
    }
    let digest = Sha256::digest(&bytes).into();
    Ok((bytes, digest))
}

/// Whether the record that a header announces may be read at all.
pub(crate) fn admit(header: &Header) -> Result<usize, FormatError> {
    let length = header.record().length;
    usize::try_from(length).ok().filter(|_| length <= LONGEST).ok_or(FormatError::OversizedRecord)
}

/// Reads a record. What it says stands only if its header says so too.
pub(crate) fn decode(header: &Header, bytes: &[u8]) -> Result<Record, FormatError> {
    if Digest::from(Sha256::digest(bytes)) != header.record().digest {
        return Err(FormatError::Damaged("record"));
    }
    let record: Record = serde_json::from_slice(bytes).map_err(FormatError::Record)?;
    // No section of this version holds memory.
    if record.isolation != header.isolation() || record.memory {
        return Err(FormatError::Contradiction);
    }
    if !is_name(&record.image) {
        return Err(FormatError::Image);
    }
    Ok(record)
}

/// What is left of a record that came from elsewhere. Mounts, egress, environment and labels could ask for what only their
/// own host's operator meant to give; its parent is unknown here.
pub(crate) fn without_authority(record: Record) -> Record {
    let limits = record.spec.limits;
    Record { parent: None, spec: Spec { limits, ..Spec::default() }, ..record }
}

/// Printable, at any rate: whatever a file says of its image is shown to people.
fn is_name(image: &str) -> bool {
    !image.is_empty() && image.len() <= LONGEST_IMAGE && image.chars().all(|c| c.is_ascii_graphic())
}
