//! Who watches which files of the fake file system.

use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use crate::files::{ChangeKind, FileChange};

/// Changes that wait for their watcher. Linux has 16384 unless told otherwise (inotify(7)).
const QUEUE: usize = 16_384;

#[derive(Default)]
pub(super) struct Watches(Vec<Watched>);

struct Watched {
    path: PathBuf,
    recursive: bool,
    changes: mpsc::Sender<FileChange>,
}

impl Watches {
    /// From now on. The changes end when the path is gone, or when too many of them waited.
    pub(super) fn add(&mut self, path: PathBuf, recursive: bool) -> mpsc::Receiver<FileChange> {
        let (changes, receiver) = mpsc::channel(QUEUE);
        self.0.push(Watched { path, recursive, changes });
        receiver
    }

    pub(super) fn tell(&mut self, path: &Path, kind: ChangeKind) {
        self.0.retain(|watched| !watched.sees(path) || watched.tell(path, kind));
    }

    /// Who sees but one of the two names takes it for an end or a beginning.
    pub(super) fn tell_renamed(&mut self, source: &Path, target: &Path) {
        self.0.retain(|watched| match (watched.sees(source), watched.sees(target)) {
            _ if watched.path.starts_with(source) => watched.tell(source, ChangeKind::Removed),
            (true, true) => watched.tell(target, ChangeKind::Renamed),
            (true, false) => watched.tell(source, ChangeKind::Removed),
            (false, true) => watched.tell(target, ChangeKind::Created),
            (false, false) => true,
        });
    }
}

impl Watched {
    fn sees(&self, path: &Path) -> bool {
        path == self.path
            || path.parent() == Some(&self.path)
            || (self.recursive && path.starts_with(&self.path))
    }

    /// Whether it goes on watching.
    fn tell(&self, path: &Path, kind: ChangeKind) -> bool {
        let is_gone = kind == ChangeKind::Removed && self.path.starts_with(path);
        let change = FileChange { path: path.to_string_lossy().into_owned(), kind };
        self.changes.try_send(change).is_ok() && !is_gone
    }
}
