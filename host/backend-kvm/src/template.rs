//! Machines to start from: booted once for each kind, kept as files, restored any number of times.
//!
//! ```text
//!   Key (kernel, base image, VMM, shape) ─► cache/KEY/{memory,state,seal}
//!        there, and its seal fits ──────────────────────────────► held open
//!        missing ─► lock cache/KEY.lock ─► boot in cache/making.…/ ─► seal ─► rename to cache/KEY
//! ```
//!
//! The folder is its user's own. A template is put into place whole, and looked at once when it is opened: its seal has the
//! digest of every page that is not zero. From then on it is held by descriptor, and nobody writes to it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use mimobox_protocol::MACHINE_READY;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::VmmError;
use crate::shape::Shape;

const MEMORY: &str = "memory";
const STATE: &str = "state";
const SEAL: &str = "seal";
/// Changes with whatever a template's files mean.
const FORMAT: u32 = 1;
const PAGE: usize = 4096;

/// Why there is no template.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("failed to lock the template")]
    Lock(#[source] io::Error),
    #[error("failed to make the template's files")]
    Make(#[source] io::Error),
    #[error("failed to boot the template's machine: {ended}; its console said last: {said}")]
    Boot { ended: String, said: String },
    #[error("failed to boot the template's machine in {} seconds; its console said last: {said}", crate::boot::PATIENCE.as_secs())]
    Slow { said: String },
    #[error("failed to save the template's machine")]
    Save(#[source] VmmError),
    #[error("failed to start the template's VMM")]
    Vmm(#[from] VmmError),
    #[error("failed to write the template")]
    Write(#[source] io::Error),
    #[error("failed to open the template")]
    Open(#[source] io::Error),
    #[error("failed to finish: the host is shutting down")]
    ShuttingDown,
}

/// What a template was made of, as the name of its folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(String);

impl Key {
    /// Of a machine of this shape, from what has this digest.
    pub(crate) fn new(origin: &[u8; 32], shape: &Shape) -> Self {
        let mut digest = Sha256::new();
        digest.update(FORMAT.to_le_bytes());
        digest.update(MACHINE_READY);
        digest.update(origin);
        digest.update(shape.memory.to_le_bytes());
        digest.update([shape.vcpus, shape.disks]);
        digest.update(shape.template.name());
        Self(hex(&digest.finalize()))
    }
}

/// The digest of kernel, base image and VMM.
pub(crate) fn origin(kernel: &File, base_image: &File, vmm: &[u8]) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    for file in [kernel, base_image] {
        let length = file.metadata()?.len();
        digest.update(length.to_le_bytes());
        // By a handle of its own: the descriptor's place is the VMM's.
        let mut part = vec![0; 256 * 1024];
        let mut at = 0;
        while at < length {
            let count = file.read_at(&mut part, at)?;
            if count == 0 {
                break;
            }
            digest.update(part.get(..count).unwrap_or_default());
            at += count as u64;
        }
    }
    digest.update(vmm);
    Ok(digest.finalize().into())
}

/// A template that is there, held open.
#[derive(Debug)]
pub(crate) struct Template {
    memory: File,
    state: File,
}

impl Template {
    /// Memory and state, for one more machine.
    pub(crate) fn parts(&self) -> io::Result<(File, File)> {
        Ok((self.memory.try_clone()?, self.state.try_clone()?))
    }
}

/// What a template's files must be.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seal {
    memory_bytes: u64,
    memory: [u8; 32],
    state: [u8; 32],
}

impl Seal {
    fn of(memory: &File, state: &File) -> io::Result<Self> {
        let mut all = Vec::new();
        let mut reader = state;
        reader.seek(SeekFrom::Start(0))?;
        reader.read_to_end(&mut all)?;
        Ok(Self {
            memory_bytes: memory.metadata()?.len(),
            memory: digest_of_pages(memory)?,
            state: Sha256::digest(&all).into(),
        })
    }
}

/// The folder of all templates.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
}

/// The files of a template that is being made. Dropping it removes them.
#[derive(Debug)]
pub(crate) struct Making {
    folder: PathBuf,
    place: PathBuf,
    pub(crate) memory: File,
    /// Nobody else makes the same.
    _lock: File,
}

impl Cache {
    /// Makes the folder if it is not there, and refuses one that others may write to.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let found = fs::symlink_metadata(&folder)?;
        let own = found.uid() == rustix::process::geteuid().as_raw();
        if !found.is_dir() || !own || found.mode() & 0o022 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "not a directory that only its user may write to",
            ));
        }
        Ok(Self { folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The template, if it is there and whole. One that is damaged counts as missing. Blocks for as long as reading it takes.
    pub(crate) fn find(&self, key: &Key, shape: &Shape) -> Result<Option<Template>, TemplateError> {
        let place = self.folder.join(&key.0);
        let open = |name: &str| File::open(place.join(name));
        let sealed = match fs::read(place.join(SEAL)) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(TemplateError::Open(error)),
        };
        let (memory, state) =
            (open(MEMORY).map_err(TemplateError::Open)?, open(STATE).map_err(TemplateError::Open)?);
        let found = Seal::of(&memory, &state).map_err(TemplateError::Open)?;
        if postcard::from_bytes::<Seal>(&sealed) != Ok(found) || length(&memory)? != shape.memory {
            tracing::warn!("a microVM's template is damaged, and made anew");
            return Ok(None);
        }
        Ok(Some(Template { memory, state }))
    }

    /// Waits until nobody else makes it. The template, if somebody else has made it meanwhile; else the files for a new one.
    /// Blocks.
    pub(crate) fn begin(&self, key: &Key, shape: &Shape) -> Result<Result<Template, Making>, TemplateError> {
        let lock = private(&self.folder.join(format!("{}.lock", key.0))).map_err(TemplateError::Lock)?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| TemplateError::Lock(error.into()))?;
        if let Some(template) = self.find(key, shape)? {
            return Ok(Ok(template));
        }
        let folder = self.folder.join(format!("making.{}", key.0));
        let make = || {
            // Of somebody who died while he made it.
            remove(&folder)?;
            fs::DirBuilder::new().mode(0o700).create(&folder)?;
            let memory = private(&folder.join(MEMORY))?;
            memory.set_len(shape.memory)?;
            Ok(memory)
        };
        let memory = make().map_err(TemplateError::Make)?;
        Ok(Err(Making { folder, place: self.folder.join(&key.0), memory, _lock: lock }))
    }
}

impl Making {
    /// Puts it into place, with this state. Blocks.
    pub(crate) fn finish(self, mut saved: File, bytes: u64) -> Result<Template, TemplateError> {
        let mut write = || {
            let mut state = private(&self.folder.join(STATE))?;
            saved.seek(SeekFrom::Start(0))?;
            io::copy(&mut (&mut saved).take(bytes), &mut state)?;
            let seal = Seal::of(&self.memory, &state)?;
            let seal = postcard::to_allocvec(&seal).map_err(|error| io::Error::other(error.to_string()))?;
            let mut sealed = private(&self.folder.join(SEAL))?;
            sealed.write_all(&seal)?;
            for file in [&self.memory, &state, &sealed] {
                file.sync_all()?;
            }
            // A damaged one may be there.
            remove(&self.place)?;
            fs::rename(&self.folder, &self.place)
        };
        write().map_err(TemplateError::Write)?;
        // Not the descriptors of those who wrote.
        let open = |name: &str| File::open(self.place.join(name)).map_err(TemplateError::Open);
        Ok(Template { memory: open(MEMORY)?, state: open(STATE)? })
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // Gone where it was finished.
        let _ = remove(&self.folder);
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn private(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn length(file: &File) -> Result<u64, TemplateError> {
    Ok(file.metadata().map_err(TemplateError::Open)?.len())
}

/// A digest of all pages that are not zero, and of where they are: the same for any two files of the same contents, whatever
/// holes they have.
fn digest_of_pages(file: &File) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let mut part = vec![0; 256 * PAGE];
    let end = file.metadata()?.len();
    let mut at = 0;
    while let Some(data) = next_data(file, at)? {
        at = data / PAGE as u64 * PAGE as u64;
        let hole = rustix::fs::seek(file, rustix::fs::SeekFrom::Hole(data))?.min(end);
        while at < hole {
            let count = file.read_at(&mut part, at)?;
            if count == 0 {
                break;
            }
            for (place, page) in part.get(..count).unwrap_or_default().chunks(PAGE).enumerate() {
                if page.iter().any(|byte| *byte != 0) {
                    digest.update((at + (place * PAGE) as u64).to_le_bytes());
                    digest.update(page);
                }
            }
            at += count as u64;
        }
    }
    Ok(digest.finalize().into())
}

fn next_data(file: &File, from: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(from)) {
        Ok(data) => Ok(Some(data)),
        // Nothing but a hole from there on.
        Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
