//! What may be done with files.

use alloc::format;

use mimobox_policy::{File, FileAccess, Verdict};

use crate::Denial;
use crate::pattern::{any_matches, has_dots};
use crate::rules::{Access, Files};

pub(crate) fn decide(rules: &[Files<'_>], file: &File) -> Result<Verdict, Denial> {
    let (access, verb) = match file.access {
        FileAccess::Read => (Access::Read, "read"),
        FileAccess::Write => (Access::Write, "written"),
        FileAccess::Remove => (Access::Remove, "removed"),
        FileAccess::Watch => (Access::Watch, "watched"),
    };
    let mut of_that_path = rules
        .iter()
        .filter(|files| any_matches(&files.paths, &file.path) && !has_dots(&file.path))
        .peekable();
    if of_that_path.peek().is_none() {
        return Err(Denial::new("path-not-listed", format!("{} is not on the list", file.path)));
    }
    match of_that_path.find(|files| files.access.contains(&access)) {
        Some(files) => Ok(Verdict::allow(files.rule)),
        None => Err(Denial::new("access-not-listed", format!("{} may not be {verb}", file.path))),
    }
}
