//! A disk: section 5.2 of virtio 1.2. One queue, served at once: what is read is in the host's page cache as a rule.
//!
//! The capacity that a guest is told may be more than the file has, so that a saved machine can be given another file. What
//! lies beyond the file's last page is an error, never zeros: a file cut short must not look like one with empty parts.

use std::fs::File;
use std::os::fd::AsFd;

use super::chain::{Buffers, Chain};
use super::model::{Model, Progress};
use super::ring::{Ring, RingError};
use crate::sys::guest_io;

/// Device ID: section 5.2.1.
const KIND: u32 = 2;
/// Features: section 5.2.3.
const SEGMENTS_MAX: u64 = 1 << 2;
const READ_ONLY: u64 = 1 << 5;
const FLUSH: u64 = 1 << 9;
/// Chains at a time. A guest that reads ahead has a few; each costs the guest memory.
const QUEUES: [u16; 1] = [128];
/// Pieces of a request: header and status take two descriptors of a queue.
const SEGMENTS: u32 = 126;
/// Bytes of a sector, the unit of all positions: section 5.2.5.
const SECTOR: u64 = 512;
/// Bytes that one request may move. Linux asks for 1.25 MiB at most.
const MAX_REQUEST: usize = 16 << 20;
/// The file's last piece of this size may be incomplete, and reads as if zeros followed: a guest reads whole pages.
const PAGE: u64 = 4096;

/// Types of requests and what comes of them: section 5.2.6.
const IN: u32 = 0;
const OUT: u32 = 1;
const FLUSH_CACHE: u32 = 4;
const GET_ID: u32 = 8;
const OK: u8 = 0;
const IO_ERROR: u8 = 1;
const UNSUPPORTED: u8 = 2;
/// Bytes of the answer to `GET_ID`.
const ID: usize = 20;

/// Whether a guest may write to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Writes are refused.
    ReadOnly,
    /// Writes go to the file, within its length.
    ReadWrite,
}

/// A file as a disk.
#[derive(Debug)]
pub struct Disk {
    /// What is on it. Opened for writing if the guest may write.
    pub file: File,
    /// Bytes that the guest is told: whole sectors of 512.
    pub capacity: u64,
    /// Whether the guest may write.
    pub access: Access,
}

/// A request is not carried out; the guest is told by its status alone.
enum Refusal {
    Failed,
    Unsupported,
}

/// The device.
pub(crate) struct Block {
    disk: Disk,
    /// Bytes of the file, which do not change while it is used.
    length: u64,
    configuration: [u8; 24],
}

impl Block {
    pub(crate) fn new(disk: Disk) -> std::io::Result<Self> {
        let length = disk.file.metadata()?.len();
        let mut configuration = [0; 24];
        let sectors = (disk.capacity / SECTOR).to_le_bytes();
        let (capacity, rest) = configuration.split_at_mut(8);
        capacity.copy_from_slice(&sectors);
        // Section 5.2.4: the largest size of a piece, which is not offered, then how many.
        if let Some(segments) = rest.get_mut(4..8) {
            segments.copy_from_slice(&SEGMENTS.to_le_bytes());
        }
        Ok(Self { disk, length, configuration })
    }

    /// Carries a request out and says so in it. Bytes written to the guest.
    fn answer(&self, chain: Chain<'_>) -> Result<usize, RingError> {
        let Chain { mut readable, mut writable, .. } = chain;
        let status = writable.split_last().ok_or(RingError::NoAnswer)?;
        let header: [u8; 16] = readable.split_first(16).read().ok_or(RingError::NoAnswer)?;
        let (code, written) = match self.carry_out(header, &readable, &writable) {
            Ok(written) => (OK, written),
            Err(Refusal::Failed) => (IO_ERROR, 0),
            Err(Refusal::Unsupported) => (UNSUPPORTED, 0),
        };
        status.write(&[code]);
        Ok(written + 1)
    }

    fn carry_out(
        &self,
        header: [u8; 16],
        readable: &Buffers<'_>,
        writable: &Buffers<'_>,
    ) -> Result<usize, Refusal> {
        let [a, b, c, d, _, _, _, _, sector @ ..] = header;
        let begin = u64::from_le_bytes(sector).checked_mul(SECTOR).ok_or(Refusal::Failed)?;
        match u32::from_le_bytes([a, b, c, d]) {
            IN => self.read(begin, writable),
            OUT => self.write(begin, readable),
            FLUSH_CACHE => self.flush(),
            GET_ID if writable.len() >= ID => {
                // Empty: it has no serial number.
                Ok(writable.write(&[0; ID]))
            }
            GET_ID => Err(Refusal::Failed),
            _ => Err(Refusal::Unsupported),
        }
    }

    fn read(&self, begin: u64, into: &Buffers<'_>) -> Result<usize, Refusal> {
        let length = self.check(begin, into)?;
        if begin + length as u64 > self.length.next_multiple_of(PAGE) {
            return Err(Refusal::Failed);
        }
        let mut rest = into.clone();
        let mut done = 0;
        while done < length {
            let read = guest_io::read_at(self.disk.file.as_fd(), rest.slices(), begin + done as u64);
            match read {
                Ok(0) => break,
                Ok(read) => {
                    rest.split_first(read);
                    done += read;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Refusal::Failed),
            }
        }
        rest.clear();
        Ok(length)
    }

    fn write(&self, begin: u64, from: &Buffers<'_>) -> Result<usize, Refusal> {
        let length = self.check(begin, from)?;
        // A disk does not grow: its file is as much as the guest was given.
        if self.disk.access == Access::ReadOnly || begin + length as u64 > self.length {
            return Err(Refusal::Failed);
        }
        let mut rest = from.clone();
        let mut done = 0;
        while done < length {
            match guest_io::write_at(self.disk.file.as_fd(), rest.slices(), begin + done as u64) {
                Ok(0) => return Err(Refusal::Failed),
                Ok(written) => {
                    rest.split_first(written);
                    done += written;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Refusal::Failed),
            }
        }
        Ok(0)
    }

    fn flush(&self) -> Result<usize, Refusal> {
        match self.disk.access {
            Access::ReadOnly => Ok(0),
            Access::ReadWrite => self.disk.file.sync_data().map(|()| 0).map_err(|_| Refusal::Failed),
        }
    }

    /// Whole sectors, not too many, within what the guest was told.
    fn check(&self, begin: u64, buffers: &Buffers<'_>) -> Result<usize, Refusal> {
        let length = buffers.len();
        let end = begin.checked_add(length as u64).ok_or(Refusal::Failed)?;
        if length > MAX_REQUEST || !(length as u64).is_multiple_of(SECTOR) || end > self.disk.capacity {
            return Err(Refusal::Failed);
        }
        Ok(length)
    }
}

impl Model for Block {
    fn kind(&self) -> u32 {
        KIND
    }

    fn features(&self) -> u64 {
        SEGMENTS_MAX
            | match self.disk.access {
                Access::ReadOnly => READ_ONLY,
                Access::ReadWrite => FLUSH,
            }
    }

    fn configuration(&self) -> &[u8] {
        &self.configuration
    }

    fn queues(&self) -> &'static [u16] {
        &QUEUES
    }

    fn serve(&mut self, rings: &mut [Ring<'_, '_>]) -> Result<Progress, RingError> {
        let [requests] = rings else { return Ok(Progress::Idle) };
        requests.serve(|chain| self.answer(chain))
    }

    fn reset(&mut self) {
        // A request is carried out at once: none is ever under way.
    }
}
