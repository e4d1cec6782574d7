//! Takes entries in any order and keeps them as a tree until the image is written.

use std::collections::BTreeMap;
use std::collections::btree_map;

use crate::entry::{Attributes, Contents, Device, Entry};
use crate::format::{BLOCK_SIZE, Kind, LONGEST_NAME};

/// A link leads no further: Linux has no longer path, and reads a link in one piece.
const LONGEST_LINK: usize = BLOCK_SIZE - 1;
/// Of a directory that was never added itself.
const OPEN_TO_ALL: u16 = 0o755;

/// Collects what shall be in an image.
#[derive(Debug)]
pub struct Builder<'a> {
    nodes: Vec<Node<'a>>,
}

/// One inode to be.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) attributes: Attributes,
    pub(crate) body: Body<'a>,
    /// How many names lead to it; of a directory, not counting `.` and `..`.
    pub(crate) names: u32,
    /// A directory that is there only because something is in it.
    implied: bool,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Body<'a> {
    Directory(BTreeMap<Vec<u8>, Id>),
    /// None once it is written.
    File(Option<Contents<'a>>),
    SymbolicLink(Vec<u8>),
    Special(Kind, Option<Device>),
}

/// Of a node. Nodes are never removed, so an id of this builder always leads to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) usize);

/// The image's root.
pub(crate) const ROOT: Id = Id(0);

/// Why an entry can't be in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// A part of the path is empty, `.`, `..`, has a NUL or more than 255 bytes.
    #[error("the path has a part that is no name")]
    Name,
    /// The root is a directory.
    #[error("the root can only be a directory")]
    Root,
    /// Something is there already.
    #[error("there is already something of that path")]
    Exists,
    /// A part of the path is no directory.
    #[error("the path leads through something that is no directory")]
    NotInDirectory,
    /// The link's target is empty, has a NUL or more than 4095 bytes.
    #[error("a symbolic link can lead to 1 to 4095 bytes without a NUL")]
    LinkTarget,
    /// The hard link leads to nothing, or to a directory.
    #[error("a hard link can only be to something that was added and is no directory")]
    LinkToNothing,
    /// A device's number has more bits than Linux keeps.
    #[error("a device has 12 bits of major number and 20 of minor number")]
    Device,
}

impl<'a> Builder<'a> {
    /// An image with nothing in it but its root, which is root's and open to all.
    pub fn new() -> Self {
        Self { nodes: vec![Node::implied()] }
    }

    /// Adds what is at `path`, which may begin with `/`. Directories on the way need not have been added; they are then
    /// root's and open to all, until they are. The path of no names is the root.
    ///
    /// # Errors
    /// Each variant of [`AddError`] but [`AddError::LinkToNothing`]. The builder is then as it was, but for directories on
    /// the way.
    pub fn add(&mut self, path: &[u8], attributes: Attributes, entry: Entry<'a>) -> Result<(), AddError> {
        let body = Body::of(entry)?;
        let Some((above, name)) = split(path)? else {
            return match body {
                Body::Directory(_) => self.describe(ROOT, attributes),
                _ => Err(AddError::Root),
            };
        };
        let above = self.directory(above)?;
        match (self.child(above, name), &body) {
            (None, _) => {
                let id = Id(self.nodes.len());
                self.nodes.push(Node { attributes, body, names: 1, implied: false });
                self.name(above, name, id)
            }
            (Some(there), Body::Directory(_)) => self.describe(there, attributes),
            (Some(_), _) => Err(AddError::Exists),
        }
    }

    /// Adds another name of what is at `of`.
    ///
    /// # Errors
    /// [`AddError::LinkToNothing`], and those of a path.
    pub fn link(&mut self, path: &[u8], of: &[u8]) -> Result<(), AddError> {
        let (above, name) = split(path)?.ok_or(AddError::Root)?;
        let to = self.find(of)?.ok_or(AddError::LinkToNothing)?;
        if matches!(self.node(to).body, Body::Directory(_)) {
            return Err(AddError::LinkToNothing);
        }
        let above = self.directory(above)?;
        self.name(above, name, to)?;
        self.node_mut(to).names += 1;
        Ok(())
    }

    pub(crate) fn node(&self, id: Id) -> &Node<'a> {
        &self.nodes[id.0]
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// What a file holds, the first time.
    pub(crate) fn take_contents(&mut self, id: Id) -> Option<Contents<'a>> {
        match &mut self.node_mut(id).body {
            Body::File(contents) => contents.take(),
            _ => None,
        }
    }

    fn node_mut(&mut self, id: Id) -> &mut Node<'a> {
        &mut self.nodes[id.0]
    }

    /// Says of a directory that was only implied whose it is.
    fn describe(&mut self, id: Id, attributes: Attributes) -> Result<(), AddError> {
        let node = self.node_mut(id);
        if !node.implied {
            return Err(AddError::Exists);
        }
        node.attributes = attributes;
        node.implied = false;
        Ok(())
    }

    /// The directory at `path`, made if it is not there.
    fn directory(&mut self, path: &[u8]) -> Result<Id, AddError> {
        let mut at = ROOT;
        for name in names(path) {
            let name = name?;
            at = match self.child(at, name) {
                Some(there) => there,
                None => {
                    let id = Id(self.nodes.len());
                    self.nodes.push(Node::implied());
                    self.name(at, name, id)?;
                    id
                }
            };
        }
        Ok(at)
    }

    fn find(&self, path: &[u8]) -> Result<Option<Id>, AddError> {
        names(path).try_fold(Some(ROOT), |at, name| Ok(self.child_of(at, name?)))
    }

    fn child_of(&self, at: Option<Id>, name: &[u8]) -> Option<Id> {
        at.and_then(|at| self.child(at, name))
    }

    fn child(&self, at: Id, name: &[u8]) -> Option<Id> {
        match &self.node(at).body {
            Body::Directory(children) => children.get(name).copied(),
            _ => None,
        }
    }

    fn name(&mut self, at: Id, name: &[u8], id: Id) -> Result<(), AddError> {
        let Body::Directory(children) = &mut self.node_mut(at).body else {
            return Err(AddError::NotInDirectory);
        };
        match children.entry(name.to_vec()) {
            btree_map::Entry::Occupied(_) => Err(AddError::Exists),
            btree_map::Entry::Vacant(free) => {
                free.insert(id);
                Ok(())
            }
        }
    }
}

impl Default for Builder<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl Node<'_> {
    fn implied() -> Self {
        Self {
            attributes: Attributes::of_root(OPEN_TO_ALL),
            body: Body::Directory(BTreeMap::new()),
            names: 1,
            implied: true,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.body {
            Body::Directory(_) => Kind::Directory,
            Body::File(_) => Kind::File,
            Body::SymbolicLink(_) => Kind::SymbolicLink,
            Body::Special(kind, _) => kind,
        }
    }
}

impl<'a> Body<'a> {
    fn of(entry: Entry<'a>) -> Result<Self, AddError> {
        Ok(match entry {
            Entry::Directory => Self::Directory(BTreeMap::new()),
            Entry::File(contents) => Self::File(Some(contents)),
            Entry::SymbolicLink(target) => {
                if target.is_empty() || target.len() > LONGEST_LINK || target.contains(&0) {
                    return Err(AddError::LinkTarget);
                }
                Self::SymbolicLink(target)
            }
            Entry::CharacterDevice(device) => Self::Special(Kind::CharacterDevice, Some(device.checked()?)),
            Entry::BlockDevice(device) => Self::Special(Kind::BlockDevice, Some(device.checked()?)),
            Entry::Pipe => Self::Special(Kind::Pipe, None),
            Entry::Socket => Self::Special(Kind::Socket, None),
        })
    }
}

impl Device {
    fn checked(self) -> Result<Self, AddError> {
        (self.major < 1 << 12 && self.minor < 1 << 20).then_some(self).ok_or(AddError::Device)
    }
}

/// The path of a directory, and a name in it.
type Split<'p> = (&'p [u8], &'p [u8]);

/// A path as its directory and its last name; none for the root.
fn split(path: &[u8]) -> Result<Option<Split<'_>>, AddError> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    if path.is_empty() {
        return Ok(None);
    }
    let (above, last) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default()),
        None => (&b""[..], path),
    };
    check(last).map(|last| Some((above, last)))
}

/// The names of a path, from the root on.
fn names(path: &[u8]) -> impl Iterator<Item = Result<&[u8], AddError>> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    path.split(|byte| *byte == b'/').filter(move |_| !path.is_empty()).map(check)
}

fn check(name: &[u8]) -> Result<&[u8], AddError> {
    let is_name = !matches!(name, b"" | b"." | b"..") && name.len() <= LONGEST_NAME && !name.contains(&0);
    is_name.then_some(name).ok_or(AddError::Name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(builder: &mut Builder<'_>, path: &str) -> Result<(), AddError> {
        builder.add(path.as_bytes(), Attributes::of_root(0o644), Entry::File(Contents::bytes("x")))
    }

    #[test]
    fn a_path_is_taken_once() {
        let mut builder = Builder::new();
        add(&mut builder, "a/b").unwrap();
        assert_eq!(add(&mut builder, "/a/b"), Err(AddError::Exists));
        assert_eq!(add(&mut builder, "a"), Err(AddError::Exists));
        assert_eq!(add(&mut builder, "a/b/c"), Err(AddError::NotInDirectory));
        assert_eq!(builder.link(b"a/b", b"a/b"), Err(AddError::Exists));
    }

    #[test]
    fn a_directory_can_be_described_after_what_is_in_it_and_only_once() {
        let mut builder = Builder::new();
        add(&mut builder, "a/b").unwrap();
        let attributes = Attributes { mode: 0o700, uid: 5, gid: 6, modified: 7 };
        for path in [&b"a"[..], b"/", b"a/new"] {
            builder.add(path, attributes, Entry::Directory).unwrap();
            assert_eq!(builder.add(path, attributes, Entry::Directory), Err(AddError::Exists));
        }
        let a = builder.find(b"a").unwrap().unwrap();
        assert_eq!(builder.node(a).attributes, attributes);
    }

    #[test]
    fn what_linux_could_not_read_is_refused() {
        let mut builder = Builder::new();
        let long = "x".repeat(256);
        for path in ["a//b", "a/", "a/./b", "a/../b", "..", "a\0b", &long] {
            assert_eq!(add(&mut builder, path), Err(AddError::Name), "{path:?}");
        }
        assert_eq!(add(&mut builder, ""), Err(AddError::Root));
        let mut link = |target: &[u8]| {
            builder.add(b"link", Attributes::of_root(0o777), Entry::SymbolicLink(target.to_vec()))
        };
        assert_eq!(link(b""), Err(AddError::LinkTarget));
        assert_eq!(link(&[b'x'; 4096]), Err(AddError::LinkTarget));
        assert_eq!(link(&[b'x'; 4095]), Ok(()));
        let device = Entry::BlockDevice(Device { major: 4096, minor: 0 });
        assert_eq!(builder.add(b"device", Attributes::of_root(0o600), device), Err(AddError::Device));
    }

    #[test]
    fn a_hard_link_needs_something_to_lead_to() {
        let mut builder = Builder::new();
        add(&mut builder, "directory/file").unwrap();
        assert_eq!(builder.link(b"link", b"nothing"), Err(AddError::LinkToNothing));
        assert_eq!(builder.link(b"link", b"directory"), Err(AddError::LinkToNothing));
        assert_eq!(builder.link(b"link", b"directory/file/further"), Err(AddError::LinkToNothing));
        builder.link(b"other/link", b"directory/file").unwrap();
        assert_eq!(builder.find(b"other/link"), builder.find(b"directory/file"));
    }
}
