//! The audit log as a file of JSON lines.
//!
//! One entry is one line is one `write`, on a file opened for appending: so several hosts may share the file and no line
//! is torn by another. A line that could not be written whole refuses its operation, and from then on every other: what
//! follows would be read as the whole truth.
//!
//! A line is not synced to the disk by itself. It outlives the end of this process, whatever ends it; a loss of power may
//! take the last seconds, of the log and of what it speaks of alike.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use mimobox_sandbox::{AuditFailure, AuditSink, Entry};
use parking_lot::Mutex;
use serde::Serialize;

use crate::folder::{self, FolderError, OTHERS_WRITE};

const FILE_NAME: &str = "audit.jsonl";
const OWNER_ONLY: u32 = 0o600;

/// An audit log in a file, of one host: JSON, a line an entry. Several hosts may write to one file.
#[derive(Debug)]
pub struct AuditFile {
    path: PathBuf,
    host: String,
    file: Mutex<Log>,
}

#[derive(Debug)]
enum Log {
    Whole(File),
    /// A line is missing or torn.
    Broken,
}

/// Why there is no audit log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenAuditError {
    /// There is no folder to put it in.
    #[error("failed to open the state folder")]
    Folder(#[from] FolderError),
    /// The file could not be opened.
    #[error("failed to open the audit log {path}", path = .path.display())]
    Open {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may write to it, and so forge it.
    #[error("others may write to the audit log {path} (mode {mode:o}): take that right away with chmod go-w", path = .path.display())]
    Shared {
        /// Where it is.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// Why an entry is not in the log.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error("failed to put an entry into words")]
    Encode(#[source] serde_json::Error),
    #[error("failed to write an entry")]
    Write(#[source] io::Error),
    #[error("the disk took {written} of an entry's {length} bytes")]
    Torn { written: usize, length: usize },
    #[error("an earlier entry could not be written")]
    Broken,
}

/// An entry, and which host wrote it: the numbers of operations are its own.
#[derive(Serialize)]
struct Line<'a> {
    host: &'a str,
    #[serde(flatten)]
    entry: &'a Entry<'a>,
}

impl AuditFile {
    /// Opens the log in the user's state folder: `$XDG_STATE_HOME/mimobox-host/audit.jsonl`, or
    /// `~/.local/state/mimobox-host/audit.jsonl`. `host` stands in every line.
    ///
    /// # Errors
    /// Each variant of [`OpenAuditError`] is a step.
    pub fn in_state_folder(host: &str) -> Result<Self, OpenAuditError> {
        let folder = folder::open()?;
        let path = folder.path.join(FILE_NAME);
        let mut options = cap_std::fs::OpenOptions::new();
        cap_std::fs::OpenOptionsExt::mode(&mut options, OWNER_ONLY);
        let opened = folder.dir.open_with(FILE_NAME, options.read(true).append(true).create(true));
        Self::new(path, host, opened.map(cap_std::fs::File::into_std))
    }

    /// Opens the log at `path`, and makes it if it is not there. `host` stands in every line.
    ///
    /// # Errors
    /// As for [`AuditFile::in_state_folder`].
    pub fn at(path: &Path, host: &str) -> Result<Self, OpenAuditError> {
        let opened = OpenOptions::new().read(true).append(true).create(true).mode(OWNER_ONLY).open(path);
        Self::new(path.to_owned(), host, opened)
    }

    fn new(path: PathBuf, host: &str, opened: io::Result<File>) -> Result<Self, OpenAuditError> {
        let failed = |source| OpenAuditError::Open { path: path.clone(), source };
        let mut file = opened.map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let mode = metadata.mode() & 0o7777;
        // A device or a pipe has the rights that its owner gave it on purpose.
        if metadata.is_file() {
            if mode & OTHERS_WRITE != 0 {
                return Err(OpenAuditError::Shared { path, mode });
            }
            end_torn_line(&mut file).map_err(failed)?;
        }
        Ok(Self { path, host: host.to_owned(), file: Mutex::new(Log::Whole(file)) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn append(&self, entry: &Entry<'_>) -> Result<(), RecordError> {
        let mut line = serde_json::to_vec(&Line { host: &self.host, entry }).map_err(RecordError::Encode)?;
        line.push(b'\n');
        let mut log = self.file.lock();
        let Log::Whole(file) = &mut *log else { return Err(RecordError::Broken) };
        let outcome = match write_once(file, &line) {
            Ok(written) if written == line.len() => return Ok(()),
            Ok(written) => RecordError::Torn { written, length: line.len() },
            Err(error) => RecordError::Write(error),
        };
        *log = Log::Broken;
        Err(outcome)
    }
}

impl AuditSink for AuditFile {
    fn record(&self, entry: &Entry<'_>) -> Result<(), AuditFailure> {
        self.append(entry).map_err(|error| AuditFailure(Box::new(error)))
    }
}

/// One `write`, tried again only where a signal kept it from taking anything.
fn write_once(file: &mut File, line: &[u8]) -> io::Result<usize> {
    loop {
        match file.write(line) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            written => return written,
        }
    }
}

/// A host that died of a full disk may have left half a line: ours must not continue it.
fn end_torn_line(file: &mut File) -> io::Result<()> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    fn entry() -> Entry<'static> {
        Entry::Finished {
            time: std::time::UNIX_EPOCH + Duration::from_secs(7),
            operation: 3,
            status: None,
            error: Some("gone"),
            bytes: None,
            duration: Duration::from_millis(1500),
        }
    }

    #[test]
    fn an_entry_is_one_line_of_json() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let log = AuditFile::at(&path, "host-1").unwrap();
        log.record(&entry()).unwrap();
        log.record(&entry()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            lines[0],
            serde_json::json!({
                "host": "host-1", "entry": "finished", "time": 7.0, "operation": 3, "error": "gone", "duration": 1.5
            })
        );
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
    }

    #[test]
    fn two_logs_of_one_file_add_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let (one, other) = (AuditFile::at(&path, "one").unwrap(), AuditFile::at(&path, "other").unwrap());
        for log in [&one, &other, &one] {
            log.record(&entry()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    }

    #[test]
    fn a_torn_line_is_ended_before_the_next_begins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        fs::write(&path, "{\"entry\":\"requ").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(OWNER_ONLY)).unwrap();
        AuditFile::at(&path, "host").unwrap().record(&entry()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("{\"entry\":\"requ\n{"), "{text}");
    }

    #[test]
    fn a_full_disk_refuses_this_entry_and_all_that_follow() {
        let log = AuditFile::at(Path::new("/dev/full"), "host").unwrap();
        assert!(matches!(log.append(&entry()), Err(RecordError::Write(_))));
        assert!(matches!(log.append(&entry()), Err(RecordError::Broken)));
    }

    #[test]
    fn a_log_that_others_can_write_to_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(
            AuditFile::at(file.path(), "host"),
            Err(OpenAuditError::Shared { mode: 0o666, .. })
        ));
    }
}
