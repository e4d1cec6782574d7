//! A process of the host that has entered a sandbox's namespaces, save some: what it can do is what those keep it from.

use std::path::Path;
use std::process::Command;

use crate::attempt::{Attempt, Outcome, programs};
use crate::confined::{Confined, PROGRAMS};

/// A kind of namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// Where cgroups seem to begin.
    Cgroup,
    /// Message queues, shared memory, semaphores.
    Ipc,
    /// What is mounted where.
    Mount,
    /// Interfaces, addresses, abstract sockets.
    Network,
    /// Processes, and their numbers.
    Pid,
    /// Users, and what they may do.
    User,
    /// The host name.
    Uts,
}

impl Namespace {
    const ALL: [Self; 7] =
        [Self::Cgroup, Self::Ipc, Self::Mount, Self::Network, Self::Pid, Self::User, Self::Uts];

    /// Of nsenter(1).
    fn option(self) -> &'static str {
        match self {
            Self::Cgroup => "--cgroup",
            Self::Ipc => "--ipc",
            Self::Mount => "--mount",
            Self::Network => "--net",
            Self::Pid => "--pid",
            Self::User => "--user",
            Self::Uts => "--uts",
        }
    }
}

/// Makes the attempt as a process that is in all of the sandbox's namespaces but those of `without`.
pub(crate) fn enter(confined: &Confined, without: &[Namespace], attempt: &Attempt) -> Outcome {
    let programs = programs();
    let folder = if without.contains(&Namespace::Mount) { programs.path() } else { Path::new(PROGRAMS) };
    let kinds = Namespace::ALL.iter().filter(|kind| !without.contains(kind));
    #[allow(clippy::disallowed_methods, reason = "starts a process of the host")]
    let output = Command::new("nsenter")
        .arg(format!("--target={}", agent_of(confined)))
        .args(kinds.map(|kind| kind.option()))
        .arg("--")
        .args(attempt.command_line(folder))
        .output()
        .unwrap();
    attempt.outcome_of(&output)
}

/// The agent's number on the host: while no command runs it is the only one in its namespace.
pub(crate) fn agent_of(confined: &Confined) -> String {
    let namespace = confined.said("readlink /proc/self/ns/pid");
    let is_there = |process: &Path| {
        std::fs::read_link(process.join("ns/pid")).is_ok_and(|link| link.as_os_str() == namespace.as_str())
    };
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let agent = processes.into_iter().find(|process| is_there(process)).unwrap();
    agent.file_name().unwrap().to_str().unwrap().to_owned()
}
