//! A file system in memory: directories, regular files and symbolic links, under one limit.
//!
//! Its user may write below `/tmp` and read everywhere. Nothing here waits: who holds the lock does one thing and is gone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::watches::Watches;
use crate::error::{Error, Result};
use crate::files::{ChangeKind, FileEntry, FileKind, MakeDirectory, Remove, Rename};

/// Where the user may write.
const OWN: &str = "/tmp";
/// Links on the way of one path (path_resolution(7)).
const MAX_LINKS: u32 = 40;

/// All files, by their absolute paths without links in them.
pub(super) struct Tree {
    nodes: BTreeMap<PathBuf, Node>,
    limit: u64,
    pub(super) watches: Watches,
}

#[derive(Clone)]
struct Node {
    content: Content,
    mode: u32,
    modified: SystemTime,
}

#[derive(Clone)]
enum Content {
    Bytes(Arc<Vec<u8>>),
    Directory,
    Link(String),
}

/// What becomes of a link at the end of a path.
#[derive(Clone, Copy, PartialEq)]
enum LastLink {
    Follow,
    Keep,
}

impl Tree {
    /// One with the directories that every image has, for so many bytes.
    pub(super) fn new(limit: u64) -> Self {
        let directories = ["/", "/etc", OWN].map(|path| (path.into(), Node::new(Content::Directory, 0o755)));
        Self { nodes: directories.into(), limit, watches: Watches::default() }
    }

    /// All that is in it, for [`Tree::restored`]: a line for each file, with its bytes behind it.
    pub(super) fn saved(&self) -> Vec<u8> {
        let mut saved = Vec::new();
        for (path, Node { content, mode, .. }) in &self.nodes {
            let (kind, bytes) = match content {
                Content::Bytes(bytes) => ('f', bytes.as_slice()),
                Content::Directory => ('d', &[][..]),
                Content::Link(target) => ('l', target.as_bytes()),
            };
            saved.extend(format!("{kind} {mode} {} {}\n", bytes.len(), path.display()).bytes());
            saved.extend_from_slice(bytes);
        }
        saved.extend(b"end\n");
        saved
    }

    /// A tree as it was saved; none where it was not saved like that.
    pub(super) fn restored(limit: u64, mut saved: &[u8]) -> Result<Self> {
        let damaged = || Error::invalid("snapshot", "its state is damaged");
        let mut tree = Self::new(limit);
        loop {
            let end = saved.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
            let (line, rest) = saved.split_at(end);
            let line = std::str::from_utf8(line).map_err(|_| damaged())?;
            if line == "end" {
                return Ok(tree);
            }
            let [kind, mode, length, path] =
                line.splitn(4, ' ').collect::<Vec<_>>().try_into().map_err(|_| damaged())?;
            let length: usize = length.parse().map_err(|_| damaged())?;
            let (bytes, rest) =
                rest.get(1..).and_then(|rest| rest.split_at_checked(length)).ok_or_else(damaged)?;
            let content = match kind {
                "f" => Content::Bytes(Arc::new(bytes.to_vec())),
                "d" => Content::Directory,
                "l" => Content::Link(String::from_utf8(bytes.to_vec()).map_err(|_| damaged())?),
                _ => return Err(damaged()),
            };
            tree.check_room(length)?;
            tree.nodes.insert(path.into(), Node::new(content, mode.parse().map_err(|_| damaged())?));
            saved = rest;
        }
    }

    /// A regular file's bytes, as they are now.
    pub(super) fn bytes(&self, path: &str) -> Result<Arc<Vec<u8>>> {
        match &self.node(&self.resolve(path, LastLink::Follow)?)?.content {
            Content::Bytes(bytes) => Ok(bytes.clone()),
            Content::Directory => Err(Error::IsADirectory),
            Content::Link(_) => Err(Error::NotFound),
        }
    }

    pub(super) fn entry(&self, path: &str) -> Result<FileEntry> {
        let path = self.resolve(path, LastLink::Keep)?;
        self.node(&path).map(|node| node.entry(&path))
    }

    pub(super) fn list(&self, path: &str) -> Result<Vec<FileEntry>> {
        let directory = self.resolve(path, LastLink::Follow)?;
        match self.node(&directory)?.content {
            Content::Directory => Ok(self.members(&directory).map(|(path, node)| node.entry(path)).collect()),
            _ => Err(Error::NotADirectory),
        }
    }

    /// Whether a file of this path can be written.
    pub(super) fn check_writable(&self, path: &str) -> Result<()> {
        self.target(path).map(drop)
    }

    /// Whether so many bytes more fit in.
    pub(super) fn check_room(&self, more: usize) -> Result<()> {
        let used: usize = self.nodes.values().map(Node::size).sum();
        if (used + more) as u64 > self.limit { Err(Error::LimitReached("disk".into())) } else { Ok(()) }
    }

    /// Makes a file of these bytes, in the place of the old one if there is one.
    pub(super) fn put(&mut self, path: &str, mode: u32, bytes: Vec<u8>) -> Result<()> {
        let path = self.target(path)?;
        self.check_room(bytes.len())?;
        let old = self.nodes.get(&path).map(|old| old.mode);
        let node = Node::new(Content::Bytes(Arc::new(bytes)), old.unwrap_or(mode));
        self.nodes.insert(path.clone(), node);
        self.watches.tell(&path, if old.is_some() { ChangeKind::Modified } else { ChangeKind::Created });
        Ok(())
    }

    /// Puts bytes behind those that are there; makes the file if it is not.
    pub(super) fn append(&mut self, path: &str, mode: u32, more: &[u8]) -> Result<()> {
        let target = self.target(path)?;
        if !self.nodes.contains_key(&target) {
            return self.put(path, mode, more.to_vec());
        }
        self.check_room(more.len())?;
        if let Some(Node { content: Content::Bytes(bytes), modified, .. }) = self.nodes.get_mut(&target) {
            Arc::make_mut(bytes).extend_from_slice(more);
            *modified = SystemTime::now();
        }
        self.watches.tell(&target, ChangeKind::Modified);
        Ok(())
    }

    /// Makes a symbolic link.
    pub(super) fn link(&mut self, path: &str, leads_to: &str) -> Result<()> {
        let path = self.resolve(path, LastLink::Keep)?;
        self.make(path, Content::Link(leads_to.to_owned()), 0o777)
    }

    pub(super) fn make_directory(&mut self, request: &MakeDirectory) -> Result<()> {
        if request.parents {
            let mut so_far = String::new();
            for part in parts(&request.path) {
                so_far = format!("{so_far}/{part}");
                let path = self.resolve(&so_far, LastLink::Follow)?;
                if !self.nodes.contains_key(&path) {
                    self.make(path, Content::Directory, 0o755)?;
                }
            }
            let path = self.find(&request.path)?;
            let is_directory = matches!(self.node(&path)?.content, Content::Directory);
            return if is_directory { Ok(()) } else { Err(Error::AlreadyExists) };
        }
        let path = self.resolve(&request.path, LastLink::Keep)?;
        self.make(path, Content::Directory, 0o755)
    }

    pub(super) fn rename(&mut self, request: &Rename) -> Result<()> {
        let source = self.resolve(&request.source, LastLink::Keep)?;
        let target = self.resolve(&request.target, LastLink::Keep)?;
        check_own(&source)?;
        check_own(&target)?;
        let is_directory = matches!(self.node(&source)?.content, Content::Directory);
        if source == target {
            return Ok(());
        }
        if target.starts_with(&source) {
            return Err(Error::invalid("target", "inside of what is renamed"));
        }
        match self.nodes.get(&target).map(|node| &node.content) {
            Some(Content::Directory) if !is_directory => return Err(Error::IsADirectory),
            Some(Content::Directory) if self.members(&target).next().is_some() => {
                return Err(Error::DirectoryNotEmpty);
            }
            Some(Content::Bytes(_) | Content::Link(_)) if is_directory => return Err(Error::NotADirectory),
            _ => {}
        }
        for path in self.all_below(&source) {
            let rest = path.strip_prefix(&source).unwrap_or(Path::new(""));
            // A path that is joined with nothing would end in a slash.
            let renamed = if rest == Path::new("") { target.clone() } else { target.join(rest) };
            if let Some(node) = self.nodes.remove(&path) {
                self.nodes.insert(renamed, node);
            }
        }
        self.watches.tell_renamed(&source, &target);
        Ok(())
    }

    pub(super) fn remove(&mut self, request: &Remove) -> Result<()> {
        let path = self.resolve(&request.path, LastLink::Keep)?;
        self.node(&path)?;
        check_own(&path)?;
        let all = self.all_below(&path);
        if all.len() > 1 && !request.recursive {
            return Err(Error::DirectoryNotEmpty);
        }
        // What is deepest goes first.
        for path in all.into_iter().rev() {
            self.nodes.remove(&path);
            self.watches.tell(&path, ChangeKind::Removed);
        }
        Ok(())
    }

    /// The path of something that is there, for a watch.
    pub(super) fn find(&self, path: &str) -> Result<PathBuf> {
        let path = self.resolve(path, LastLink::Follow)?;
        self.node(&path).map(|_| path.clone())
    }

    fn make(&mut self, path: PathBuf, content: Content, mode: u32) -> Result<()> {
        if self.nodes.contains_key(&path) {
            return Err(Error::AlreadyExists);
        }
        check_own(&path)?;
        self.nodes.insert(path.clone(), Node::new(content, mode));
        self.watches.tell(&path, ChangeKind::Created);
        Ok(())
    }

    /// Where a file is to be written.
    fn target(&self, path: &str) -> Result<PathBuf> {
        let path = self.resolve(path, LastLink::Follow)?;
        if matches!(self.nodes.get(&path), Some(Node { content: Content::Directory, .. })) {
            return Err(Error::IsADirectory);
        }
        check_own(&path).map(|()| path)
    }

    fn node(&self, path: &Path) -> Result<&Node> {
        self.nodes.get(path).ok_or(Error::NotFound)
    }

    fn members<'a>(&'a self, directory: &'a Path) -> impl Iterator<Item = (&'a PathBuf, &'a Node)> {
        self.nodes.iter().filter(move |(path, _)| path.parent() == Some(directory))
    }

    /// A path and all that is below it, in the order of paths.
    fn all_below(&self, path: &Path) -> Vec<PathBuf> {
        self.nodes.keys().filter(|each| each.starts_with(path)).cloned().collect()
    }

    /// The path without links and dots. Its last part need not be there, all others do. What is above the root is the root.
    fn resolve(&self, path: &str, last: LastLink) -> Result<PathBuf> {
        let mut left: Vec<String> = parts(path).rev().map(str::to_owned).collect();
        let mut at = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = left.pop() {
            if !matches!(self.node(&at)?.content, Content::Directory) {
                return Err(Error::NotADirectory);
            }
            if part == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&part);
            match self.nodes.get(&next) {
                Some(Node { content: Content::Link(leads_to), .. })
                    if last == LastLink::Follow || !left.is_empty() =>
                {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Error::invalid("path", "its links go round"));
                    }
                    if leads_to.starts_with('/') {
                        at = "/".into();
                    }
                    left.extend(parts(leads_to).rev().map(str::to_owned));
                }
                _ => at = next,
            }
        }
        Ok(at)
    }
}

impl Node {
    fn new(content: Content, mode: u32) -> Self {
        Self { content, mode, modified: SystemTime::now() }
    }

    fn size(&self) -> usize {
        match &self.content {
            Content::Bytes(bytes) => bytes.len(),
            Content::Directory => 0,
            Content::Link(leads_to) => leads_to.len(),
        }
    }

    fn entry(&self, path: &Path) -> FileEntry {
        FileEntry {
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            kind: match self.content {
                Content::Bytes(_) => FileKind::File,
                Content::Directory => FileKind::Directory,
                Content::Link(_) => FileKind::SymbolicLink,
            },
            size: self.size() as u64,
            mode: self.mode,
            modified: self.modified,
        }
    }
}

/// The parts of a path that lead anywhere.
fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

/// Whether the user may make, replace or remove what has this path.
fn check_own(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) if parent.starts_with(OWN) => Ok(()),
        _ => Err(Error::PermissionDenied),
    }
}
