//! Users of a sandbox as users of the host: user_namespaces(7).
//!
//! Root gives each sandbox a range that nobody else has. An ordinary user has only herself to give, and what an administrator
//! has set aside for her in `/etc/subuid` and `/etc/subgid`; of that the set-user-ID programs newuidmap(1) and newgidmap(1) see
//! to it that she takes no more.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User};

/// Users and groups 0 to 65,535 of a sandbox are the host's `base` to `base` + 65,535: of nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// The host's number of the sandbox's user and group 0.
    pub base: u32,
}

impl IdRange {
    /// How many users and groups a sandbox has.
    pub const LENGTH: u32 = 65_536;
}

/// So many numbers from one on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: u32,
    count: u32,
}

/// What is set aside for an ordinary user: users and groups of the host that are hers to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subordinates {
    users: Span,
    groups: Span,
}

/// Users and groups of the host's that an ordinary user has by being herself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Her user.
    pub user: u32,
    /// Her group.
    pub group: u32,
}

/// Whom a sandbox has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdMap {
    /// A range of its own. Takes `CAP_SETUID` and `CAP_SETGID` of the host's.
    Range(IdRange),
    /// What is set aside for the caller, and herself as the user and group of these numbers, if any.
    Subordinates(Subordinates, Caller, Option<Caller>),
    /// The caller alone, as the user and group of these numbers.
    Alone(Caller, Caller),
}

/// A map was not written.
#[derive(Debug, thiserror::Error)]
pub enum IdMapError {
    /// The groups'.
    #[error("failed to map groups ({path})")]
    Groups {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The users'.
    #[error("failed to map users ({path})")]
    Users {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The namespace still admits a change of groups, which the kernel wants closed before one maps one's own.
    #[error("failed to give up changing groups ({path})")]
    KeepGroups {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program that maps did not run.
    #[error("failed to run {program}")]
    Run {
        /// Which.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It refused.
    #[error("failed to map by {program}: {said}")]
    Refused {
        /// Which.
        program: &'static str,
        /// In its words.
        said: String,
    },
}

/// Maps the users and groups of the user namespace of process `pid`.
///
/// # Errors
/// Each variant of [`IdMapError`] is a step.
pub fn map_ids(pid: i32, map: &IdMap) -> Result<(), IdMapError> {
    match map {
        IdMap::Range(range) => {
            let line = format!("0 {} {}", range.base, IdRange::LENGTH);
            write(pid, &line, &line)
        }
        IdMap::Subordinates(Subordinates { users, groups }, caller, shown) => {
            run("newgidmap", pid, &lines(*groups, caller.group, shown.map(|shown| shown.group)))?;
            run("newuidmap", pid, &lines(*users, caller.user, shown.map(|shown| shown.user)))
        }
        IdMap::Alone(caller, shown) => {
            let path = file(pid, "setgroups");
            fs::write(&path, "deny").map_err(|source| IdMapError::KeepGroups { path, source })?;
            let line = |from: u32, to: u32| format!("{from} {to} 1");
            write(pid, &line(shown.group, caller.group), &line(shown.user, caller.user))
        }
    }
}

fn file(pid: i32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

fn write(pid: i32, groups: &str, users: &str) -> Result<(), IdMapError> {
    let path = file(pid, "gid_map");
    fs::write(&path, groups).map_err(|source| IdMapError::Groups { path, source })?;
    let path = file(pid, "uid_map");
    fs::write(&path, users).map_err(|source| IdMapError::Users { path, source })
}

/// Numbers from 0 on are the span's, one after another; at `shown` the caller stands in for one of them.
fn lines(span: Span, caller: u32, shown: Option<u32>) -> Vec<[u32; 3]> {
    let count = span.count.min(IdRange::LENGTH);
    match shown.filter(|shown| *shown < count) {
        None => vec![[0, span.first, count]],
        Some(shown) => {
            let after = shown + 1;
            let mut lines =
                vec![[0, span.first, shown], [shown, caller, 1], [after, span.first + after, count - after]];
            lines.retain(|[_, _, count]| *count > 0);
            lines
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "only these programs may give users away for one who is not root"
)]
fn run(program: &'static str, pid: i32, lines: &[[u32; 3]]) -> Result<(), IdMapError> {
    let numbers = lines.iter().flatten().map(u32::to_string);
    let output = Command::new(program)
        .arg(pid.to_string())
        .args(numbers)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| IdMapError::Run { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(IdMapError::Refused { program, said: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}

impl Caller {
    /// Whoever runs this process.
    pub fn this_process() -> Self {
        Self { user: Uid::effective().as_raw(), group: Gid::effective().as_raw() }
    }

    /// What is set aside for this user; none where that is too little for a sandbox, whose default user is `needed`, or where
    /// the programs are missing that would give it away.
    pub fn subordinates(self, needed: u32) -> Option<Subordinates> {
        let name = User::from_uid(Uid::from_raw(self.user)).ok().flatten().map(|user| user.name);
        let of = |list| span_of(&fs::read_to_string(list).ok()?, name.as_deref(), self.user, needed);
        let found = Subordinates { users: of("/etc/subuid")?, groups: of("/etc/subgid")? };
        (is_installed("newuidmap") && is_installed("newgidmap")).then_some(found)
    }
}

/// The first span of a user in a list such as `/etc/subuid` that holds `needed`: subuid(5).
fn span_of(list: &str, name: Option<&str>, user: u32, needed: u32) -> Option<Span> {
    list.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let whose = fields.next()?;
        let hers = Some(whose) == name || whose.parse() == Ok(user);
        let (first, count): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let fits = first > 0 && first.checked_add(count).is_some();
        (hers && fits && count > needed).then_some(Span { first, count })
    })
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_s_own_span_is_found_by_name_or_number() {
        let list = "# none\n\nann:100000:65536\n1002:300000:65536\nbob:500:10\nbob:200000:65536\n";
        let span = |name, user| span_of(list, name, user, 1000);
        assert_eq!(span(Some("ann"), 7), Some(Span { first: 100_000, count: 65_536 }));
        assert_eq!(span(None, 1002), Some(Span { first: 300_000, count: 65_536 }));
        assert_eq!(span(Some("bob"), 7), Some(Span { first: 200_000, count: 65_536 }), "ten are too few");
        assert_eq!(span(Some("an"), 7), None);
    }

    #[test]
    fn a_span_that_makes_no_sense_is_passed_over() {
        for list in ["ann:0:65536", "ann:4294967295:65536", "ann:1", "ann:x:y", "ann"] {
            assert_eq!(span_of(list, Some("ann"), 7, 1000), None, "{list}");
        }
    }

    #[test]
    fn the_caller_stands_in_for_one_user_of_the_span() {
        let span = Span { first: 100_000, count: 65_536 };
        assert_eq!(lines(span, 7, None), [[0, 100_000, 65_536]]);
        assert_eq!(lines(span, 7, Some(1000)), [[0, 100_000, 1000], [1000, 7, 1], [1001, 101_001, 64_535]]);
        assert_eq!(lines(Span { first: 5, count: 2 }, 7, Some(0)), [[0, 7, 1], [1, 6, 1]]);
    }
}
