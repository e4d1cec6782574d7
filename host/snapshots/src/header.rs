//! The first bytes of a snapshot's file, which can be read alone. All numbers are little-endian.
//!
//! ```text
//!     0  magic             "mimosnap"
//!     8  format version    u32
//!    12  header length     u32   512
//!    16  architecture      u32   as ELF numbers them (`e_machine`)
//!    20  isolation         u32   1 os, 2 micro-vm
//!    24  sections          u32
//!    28  zero              u32
//!    32  section table     7 × 64 bytes: kind (16, zero-padded) offset (u64) length (u64) SHA-256 (32)
//!   480  checksum          SHA-256 of the bytes before it
//! ```
//!
//! Sections follow each other without gaps: the record, then the state. The table holds their digests, and the checksum
//! covers the table, so every byte is covered and none twice; and a later kind, such as memory, need not be hashed for the
//! rest to be trusted. Bytes come from anywhere: nothing is believed that was not checked.

use mimobox_sandbox::Isolation;
use sha2::{Digest as _, Sha256};

use crate::error::FormatError;

/// Bytes of a header.
pub const HEADER_LENGTH: usize = 512;

const MAGIC: [u8; 8] = *b"mimosnap";
const VERSION: u32 = 1;
const CHECKSUM_AT: usize = HEADER_LENGTH - 32;
const SLOTS: usize = 7;
const KIND_LENGTH: usize = 16;

/// ELF's numbers of the architectures that hosts exist for (elf(5), `e_machine`), by Rust's names of them.
const ARCHITECTURES: [(u32, &str); 4] = [(62, "x86_64"), (183, "aarch64"), (243, "riscv64"), (22, "s390x")];

/// SHA-256.
pub(crate) type Digest = [u8; 32];

/// What is in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// What is known of the snapshot besides its state, as JSON.
    Record,
    /// The sandbox's state, in its backend's words.
    State,
}

impl SectionKind {
    /// The order that they come in.
    const ALL: [Self; 2] = [Self::Record, Self::State];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::State => "state",
        }
    }
}

/// Where a section is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// What is in it.
    pub kind: SectionKind,
    /// Bytes from the start of the file.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// SHA-256 of them.
    pub digest: [u8; 32],
}

/// A header that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    architecture: u32,
    isolation: Isolation,
    record: Section,
    state: Section,
}

impl Header {
    /// Of what was taken on this machine.
    ///
    /// # Errors
    /// `Foreign`, where no snapshots can be taken; lengths beyond any file are `Misplaced`.
    pub(crate) fn new(
        isolation: Isolation,
        record: (u64, Digest),
        state: (u64, Digest),
    ) -> Result<Self, FormatError> {
        let record = Section { kind: SectionKind::Record, offset: START, length: record.0, digest: record.1 };
        let offset = record.end().ok_or(FormatError::Misplaced)?;
        let state = Section { kind: SectionKind::State, offset, length: state.0, digest: state.1 };
        state.end().ok_or(FormatError::Misplaced)?;
        Ok(Self { architecture: own_architecture()?, isolation, record, state })
    }

    /// Reads a header. That it is of another architecture is no error yet: see [`Header::admit`].
    ///
    /// # Errors
    /// The first check that the bytes fail.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut rest = bytes;
        let known = rest.len().min(MAGIC.len());
        if rest.get(..known) != MAGIC.get(..known) {
            return Err(FormatError::NotASnapshot);
        }
        take::<{ MAGIC.len() }>(&mut rest)?;
        // A newer header may be of another length and have its checksum elsewhere: this comes first.
        match number(&mut rest)? {
            VERSION => {}
            0 => return Err(FormatError::NoSuchVersion(0)),
            newer => return Err(FormatError::Newer(newer)),
        }
        let header = bytes.first_chunk::<HEADER_LENGTH>().ok_or(FormatError::Truncated)?;
        let (covered, checksum) = header.split_at(CHECKSUM_AT);
        if Sha256::digest(covered).as_slice() != checksum {
            return Err(FormatError::DamagedHeader);
        }
        rest = covered;
        take::<{ MAGIC.len() + 4 }>(&mut rest)?;
        if number(&mut rest)? as usize != HEADER_LENGTH {
            return Err(FormatError::Senseless("length"));
        }
        let architecture = number(&mut rest)?;
        let isolation = match number(&mut rest)? {
            1 => Isolation::Os,
            2 => Isolation::MicroVm,
            _ => return Err(FormatError::Senseless("kind of isolation")),
        };
        let count = number(&mut rest)? as usize;
        if number(&mut rest)? != 0 {
            return Err(FormatError::Senseless("reserved field"));
        }
        let [record, state] = sections(&mut rest, count)?;
        Ok(Self { architecture, isolation, record, state })
    }

    /// As it stands in the file.
    pub fn encode(&self) -> [u8; HEADER_LENGTH] {
        let isolation: u32 = match self.isolation {
            Isolation::Os => 1,
            Isolation::MicroVm => 2,
        };
        let mut bytes = MAGIC.to_vec();
        let length = u32::try_from(HEADER_LENGTH).unwrap_or(u32::MAX);
        let count = u32::try_from(SectionKind::ALL.len()).unwrap_or(u32::MAX);
        for field in [VERSION, length, self.architecture, isolation, count, 0] {
            bytes.extend(field.to_le_bytes());
        }
        for section in [&self.record, &self.state] {
            bytes.extend(padded(section.kind));
            bytes.extend(section.offset.to_le_bytes());
            bytes.extend(section.length.to_le_bytes());
            bytes.extend(section.digest);
        }
        bytes.resize(CHECKSUM_AT, 0);
        let checksum = Sha256::digest(&bytes);
        bytes.extend(checksum);
        let mut header = [0; HEADER_LENGTH];
        header.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        header
    }

    /// Refuses what was taken on another kind of machine.
    ///
    /// # Errors
    /// `Foreign`.
    pub fn admit(&self) -> Result<(), FormatError> {
        if self.architecture == own_architecture()? {
            Ok(())
        } else {
            Err(FormatError::Foreign(self.architecture()))
        }
    }

    /// The architecture of the machine that it was taken on, by Rust's name, or else by ELF's number.
    pub fn architecture(&self) -> String {
        let known = ARCHITECTURES.into_iter().find(|(number, _)| *number == self.architecture);
        known.map_or_else(|| self.architecture.to_string(), |(_, name)| name.to_owned())
    }

    /// The kind of box that it is of.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Where the record is.
    pub fn record(&self) -> &Section {
        &self.record
    }

    /// Where the state is.
    pub fn state(&self) -> &Section {
        &self.state
    }

    /// Bytes of the whole file.
    pub fn size(&self) -> u64 {
        self.state.end().unwrap_or(u64::MAX)
    }
}

impl Section {
    /// The first byte after it. None where there is no such number.
    fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.length)
    }
}

/// Where the first section begins.
pub(crate) const START: u64 = HEADER_LENGTH as u64;

fn own_architecture() -> Result<u32, FormatError> {
    let own = std::env::consts::ARCH;
    let known = ARCHITECTURES.into_iter().find(|(_, name)| *name == own);
    known.map(|(number, _)| number).ok_or_else(|| FormatError::Foreign(own.to_owned()))
}

/// Reads the table: the kinds of this version, each once, one after the other; then empty slots.
fn sections(rest: &mut &[u8], count: usize) -> Result<[Section; 2], FormatError> {
    if count > SLOTS {
        return Err(FormatError::Senseless("number of sections"));
    }
    let mut found = Vec::with_capacity(count);
    let mut offset = START;
    for _ in 0..count {
        let kind = kind(take::<KIND_LENGTH>(rest)?)?;
        let section = Section { kind, offset: long(rest)?, length: long(rest)?, digest: take(rest)? };
        if section.offset != offset || SectionKind::ALL.get(found.len()) != Some(&kind) {
            return Err(FormatError::Misplaced);
        }
        offset = section.end().ok_or(FormatError::Misplaced)?;
        found.push(section);
    }
    if rest.iter().any(|byte| *byte != 0) {
        return Err(FormatError::Senseless("section beyond the last"));
    }
    found.try_into().map_err(|_| FormatError::Senseless("number of sections"))
}

fn kind(bytes: [u8; KIND_LENGTH]) -> Result<SectionKind, FormatError> {
    let known = SectionKind::ALL.into_iter().find(|kind| padded(*kind) == bytes);
    known.ok_or_else(|| {
        let name = String::from_utf8_lossy(&bytes);
        FormatError::UnknownSection(name.trim_end_matches('\0').to_owned())
    })
}

fn padded(kind: SectionKind) -> [u8; KIND_LENGTH] {
    let mut bytes = [0; KIND_LENGTH];
    bytes.iter_mut().zip(kind.name().bytes()).for_each(|(to, from)| *to = from);
    bytes
}

fn take<const LENGTH: usize>(rest: &mut &[u8]) -> Result<[u8; LENGTH], FormatError> {
    let (taken, after) = rest.split_first_chunk().ok_or(FormatError::Truncated)?;
    *rest = after;
    Ok(*taken)
}

fn number(rest: &mut &[u8]) -> Result<u32, FormatError> {
    Ok(u32::from_le_bytes(take(rest)?))
}

fn long(rest: &mut &[u8]) -> Result<u64, FormatError> {
    Ok(u64::from_le_bytes(take(rest)?))
}
