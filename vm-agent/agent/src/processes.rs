//! What runs at the host's request.
//!
//! ```text
//!   start ──► Running ── leader ends ──► Ending: group killed ── group gone, or a second ──► Ended is said
//! ```
//!
//! A process that left its group by setsid(2) or setpgid(2) is no longer part of it: it lives until the sandbox
//! ends, and the agent only reaps it.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use mimobox_protocol::{Command, ExitStatus, Response, Signal, SignalFailure, SpawnFailure};
use nix::errno::Errno;
use nix::sys::signal::{self, killpg};
use nix::unistd::Pid;

use crate::children;
use crate::identity::Identity;
use crate::spawn::Spawner;

/// Most processes at once that the host may ask for.
const MAX_PROCESSES: usize = 1024;

/// How long a killed group may take to be gone before its end is reported all the same. A member is reaped by
/// its own parent, which may have left the group, may live, and may never do it.
const GROUP_PATIENCE: Duration = Duration::from_secs(1);

/// Most children reaped before the connection gets its turn again: a fork storm must not keep the host waiting.
const REAPED_AT_ONCE: usize = 256;

pub(crate) struct Processes {
    spawner: Spawner,
    processes: Vec<Process>,
}

struct Process {
    id: u32,
    /// Leader of the process group, so that its pid is the group's number.
    leader: Pid,
    state: State,
}

enum State {
    Running,
    Ending { status: ExitStatus, patience_ends: Instant },
}

/// Whether [`Processes::reap`] is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaped {
    All,
    Some,
}

impl Processes {
    pub(crate) fn new(identity: Identity) -> Self {
        Self { spawner: Spawner::new(identity), processes: Vec::new() }
    }

    /// Whether a process goes by this number.
    pub(crate) fn knows(&self, id: u32) -> bool {
        self.processes.iter().any(|process| process.id == id)
    }

    /// Starts a command. Once this returns, nobody but the command holds its ends of the streams.
    pub(crate) fn start(
        &mut self,
        id: u32,
        command: &Command,
        streams: Vec<OwnedFd>,
    ) -> Result<(), SpawnFailure> {
        if self.processes.len() >= MAX_PROCESSES {
            return Err(SpawnFailure::LimitReached);
        }
        let leader = self.spawner.spawn(command, &streams)?;
        self.processes.push(Process { id, leader, state: State::Running });
        Ok(())
    }

    /// Signals a whole group, as long as its leader runs.
    pub(crate) fn signal(&self, id: u32, signal: Signal) -> Result<(), SignalFailure> {
        let process =
            self.processes.iter().find(|process| process.id == id).ok_or(SignalFailure::NotFound)?;
        match process.state {
            // Not reaped, so the number still is this group's.
            State::Running => match killpg(process.leader, number(signal)) {
                Ok(()) => Ok(()),
                Err(Errno::ESRCH) => Err(SignalFailure::NotFound),
                Err(errno) => Err(SignalFailure::Failed(errno as i32)),
            },
            State::Ending { .. } => Err(SignalFailure::NotFound),
        }
    }

    /// Reaps ended children, and kills what an ended leader left behind.
    pub(crate) fn reap(&mut self) -> Reaped {
        for _ in 0..REAPED_AT_ONCE {
            let Some(child) = children::peek() else { return Reaped::All };
            let process = self.processes.iter_mut().find(|process| process.leader == child);
            if process.is_some() {
                // Before reaping: after it, the number could be another group's. One signal is enough, as the
                // kernel lets no member fork while it is delivered.
                let _ = killpg(child, signal::SIGKILL);
            }
            let status = children::reap(child);
            if let Some(process) = process {
                process.state = State::Ending { status, patience_ends: Instant::now() + GROUP_PATIENCE };
            }
        }
        Reaped::Some
    }

    /// Takes out the processes whose groups are gone, and says so in responses.
    pub(crate) fn conclude(&mut self) -> impl Iterator<Item = Response> + '_ {
        self.processes.extract_if(.., |process| process.is_over()).filter_map(|process| match process.state {
            State::Ending { status, .. } => Some(Response::Ended { id: process.id, status }),
            State::Running => None,
        })
    }

    /// When to call [`Processes::conclude`] at the latest, if nothing happens before.
    pub(crate) fn patience_ends(&self) -> Option<Instant> {
        self.processes
            .iter()
            .filter_map(|process| match process.state {
                State::Ending { patience_ends, .. } => Some(patience_ends),
                State::Running => None,
            })
            .min()
    }
}

impl Process {
    fn is_over(&self) -> bool {
        match self.state {
            State::Running => false,
            State::Ending { patience_ends, .. } => {
                // The number may be another group's by now; then this one waits for its patience in vain.
                killpg(self.leader, None) == Err(Errno::ESRCH) || Instant::now() >= patience_ends
            }
        }
    }
}

fn number(signal: Signal) -> signal::Signal {
    match signal {
        Signal::HangUp => signal::SIGHUP,
        Signal::Interrupt => signal::SIGINT,
        Signal::Quit => signal::SIGQUIT,
        Signal::Kill => signal::SIGKILL,
        Signal::User1 => signal::SIGUSR1,
        Signal::User2 => signal::SIGUSR2,
        Signal::Terminate => signal::SIGTERM,
    }
}
