//! Which paths the layer that is being applied has brought itself.
//!
//! Two things need to know: a path that is there twice, and a whiteout, which hides what lower layers brought and never
//! what its own did, whatever the order in the archive (OCI image specification, "Whiteouts").

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::error::{ImportError, MemberFault};
use super::limits::Budget;
use super::path::MemberPath;
use crate::digest::Digest;

/// The paths by their digests, of which half is enough to tell a million apart: a path can have 4095 bytes.
#[derive(Debug, Default)]
pub(crate) struct Touched(HashMap<[u8; 16], Kind>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Directory,
    Other,
}

impl Touched {
    /// Notes a directory and those that it is in. It may come as often as it likes.
    pub(crate) fn directory(
        &mut self,
        path: &MemberPath,
        budget: &mut Budget<'_>,
    ) -> Result<(), ImportError> {
        self.note(path, Kind::Directory, budget)
    }

    /// Notes anything else, which may come once.
    pub(crate) fn other(&mut self, path: &MemberPath, budget: &mut Budget<'_>) -> Result<(), ImportError> {
        self.note(path, Kind::Other, budget)
    }

    /// Whether the layer brought this path or something below it.
    pub(crate) fn holds(&self, path: &MemberPath) -> bool {
        self.0.contains_key(&key(path.bytes()))
    }

    /// A directory that is only ever on the way is an entry too: through links, each path can have a hundred of its own.
    fn note(&mut self, path: &MemberPath, kind: Kind, budget: &mut Budget<'_>) -> Result<(), ImportError> {
        for ancestor in path.ancestors() {
            // Where it is a file or a link so far, the tree itself will say whether one can go through.
            if let Entry::Vacant(new) = self.0.entry(key(ancestor)) {
                budget.take_entry()?;
                new.insert(Kind::Directory);
            }
        }
        budget.take_entry()?;
        match self.0.entry(key(path.bytes())) {
            Entry::Occupied(known) if *known.get() == Kind::Directory && kind == Kind::Directory => Ok(()),
            Entry::Occupied(_) => Err(path.fault(MemberFault::Duplicate)),
            Entry::Vacant(new) => {
                new.insert(kind);
                Ok(())
            }
        }
    }
}

fn key(path: &[u8]) -> [u8; 16] {
    let digest = Digest::of(path);
    let mut key = [0; 16];
    key.copy_from_slice(digest.bytes().first_chunk::<16>().unwrap_or(&[0; 16]));
    key
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::limits::{LimitReached, Limits};
    use super::*;

    fn path(text: &str) -> MemberPath {
        MemberPath::parse(text.as_bytes(), &Limits::default()).unwrap()
    }

    fn is_duplicate(noted: Result<(), ImportError>) -> bool {
        matches!(noted, Err(ImportError::Member { fault: MemberFault::Duplicate, .. }))
    }

    #[test]
    fn a_directory_may_come_again_and_anything_else_may_not() {
        let goes_on = AtomicBool::new(false);
        let mut budget = Budget::new(Limits::default(), &goes_on);
        let mut touched = Touched::default();
        touched.other(&path("a/file"), &mut budget).unwrap();
        touched.directory(&path("a"), &mut budget).unwrap();
        touched.directory(&path("a"), &mut budget).unwrap();
        assert!(is_duplicate(touched.other(&path("a/file"), &mut budget)));
        assert!(is_duplicate(touched.directory(&path("a/file"), &mut budget)));
        assert!(is_duplicate(touched.other(&path("a"), &mut budget)));
    }

    #[test]
    fn what_is_above_a_path_is_touched_with_it_and_counts() {
        let goes_on = AtomicBool::new(false);
        let mut budget = Budget::new(Limits { entries: 3, ..Limits::default() }, &goes_on);
        let mut touched = Touched::default();
        touched.other(&path("a/b/c"), &mut budget).unwrap();
        assert!(touched.holds(&path("a")) && touched.holds(&path("a/b")) && touched.holds(&path("a/b/c")));
        assert!(!touched.holds(&path("a/c")));
        let further = touched.other(&path("x"), &mut budget);
        assert!(matches!(further, Err(ImportError::Limit(LimitReached::Entries(3)))));
    }
}
