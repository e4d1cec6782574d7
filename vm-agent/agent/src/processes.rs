//! What runs at the host's request.
//!
//! ```text
//!   start ──► Running ── leader ends ──► Ending: all killed ── all gone, or a second ──┬──► Ended is said
//!                                                                                      │            ▲
//!              with a terminal: Flushing: closed, the host is given the rest ◄─────────┘            │
//!                                   └── taken, or nothing taken for a second ───────────────────────┘
//! ```
//!
//! What a terminal held last and nobody took in that second still waits for whoever takes it later, or for the other end of its
//! output to go.
//!
//! What goes by a process's number is its process group, or on a terminal its session. A process that has left that, by
//! setsid(2) or without a terminal by setpgid(2), is no longer part of it: it lives until the sandbox ends, and the agent
//! only reaps it.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use mimobox_protocol::{
    Command, ExitStatus, FileOperation, MachineUsage, Response, Signal, SignalFailure, SpawnFailure,
    TerminalSize, UsageFailure,
};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollFlags};
use nix::sys::signal::{self, killpg};
use nix::sys::sysinfo::sysinfo;
use nix::unistd::Pid;

use crate::archive::{self, Direction};
use crate::children;
use crate::event_source::TerminalEnd;
use crate::files;
use crate::identity::Identity;
use crate::session;
use crate::spawn::Spawner;
use crate::surroundings::Surroundings;
use crate::terminal::Terminal;
use crate::worker;

/// Most processes at once that the host may ask for.
const MAX_PROCESSES: usize = 1024;

/// How long a killed group may take to be gone before its end is reported all the same. A member is reaped by
/// its own parent, which may have left the group, may live, and may never do it. As long may a host take nothing of what a
/// terminal held last.
const GROUP_PATIENCE: Duration = Duration::from_secs(1);

/// Most children reaped before the connection gets its turn again: a fork storm must not keep the host waiting.
const REAPED_AT_ONCE: usize = 256;

pub(crate) struct Processes {
    spawner: Spawner,
    upper: Option<OwnedFd>,
    kernel_threads: Option<u32>,
    processes: Vec<Process>,
    /// By the numbers that they had: the terminals of ended processes whose last output is not taken yet.
    untaken: Vec<(u32, Terminal)>,
}

struct Process {
    id: u32,
    /// Leader of the process group, so that its pid is the group's number.
    leader: Pid,
    terminal: Option<Terminal>,
    state: State,
}

enum State {
    Running,
    Ending {
        status: ExitStatus,
        patience_ends: Instant,
        /// Killed with the leader. Empty without a terminal, as the group can be asked for as a whole.
        session: Vec<Pid>,
    },
    Flushing {
        status: ExitStatus,
        patience_ends: Instant,
    },
}

/// Whether [`Processes::reap`] is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaped {
    All,
    Some,
}

impl Processes {
    pub(crate) fn new(surroundings: Surroundings) -> Self {
        let Surroundings { identity, upper, kernel_threads } = surroundings;
        Self {
            spawner: Spawner::new(identity),
            upper,
            kernel_threads,
            processes: Vec::new(),
            untaken: Vec::new(),
        }
    }

    /// Whether a process goes by this number.
    pub(crate) fn knows(&self, id: u32) -> bool {
        self.processes.iter().any(|process| process.id == id)
    }

    fn is_full(&self) -> bool {
        self.processes.len() + self.untaken.len() >= MAX_PROCESSES
    }

    /// Starts a command. Once this returns, nobody but the command holds its ends of the streams.
    pub(crate) fn start(
        &mut self,
        id: u32,
        command: &Command,
        streams: Vec<OwnedFd>,
    ) -> Result<(), SpawnFailure> {
        if self.is_full() {
            return Err(SpawnFailure::LimitReached);
        }
        let leader = self.spawner.spawn(command, &streams)?;
        self.processes.push(Process { id, leader, terminal: None, state: State::Running });
        Ok(())
    }

    /// Starts a command on a terminal, between which and `pipes`, its input and output, [`Processes::pump`] then pumps.
    pub(crate) fn open_terminal(
        &mut self,
        id: u32,
        command: &Command,
        size: TerminalSize,
        pipes: Vec<OwnedFd>,
        epoll: &Epoll,
    ) -> Result<(), SpawnFailure> {
        if self.is_full() {
            return Err(SpawnFailure::LimitReached);
        }
        let pipes = pipes.try_into().map_err(|_| SpawnFailure::Failed(Errno::EBADF as i32))?;
        let (leader, terminal) =
            self.spawner.spawn_on_terminal(command, |owner| Terminal::open(id, owner, size, pipes, epoll))?;
        self.processes.push(Process { id, leader, terminal: Some(terminal), state: State::Running });
        Ok(())
    }

    /// Starts an operation on files, in a process of its own that runs as a command would.
    pub(crate) fn start_file_operation(
        &mut self,
        id: u32,
        operation: &FileOperation,
        pipe: Option<OwnedFd>,
    ) -> Result<(), SpawnFailure> {
        if self.is_full() {
            return Err(SpawnFailure::LimitReached);
        }
        let user = self.spawner.identity().resolve(None)?;
        let leader = worker::start(user, pipe, None, |pipe| files::perform(operation, pipe))?;
        self.processes.push(Process { id, leader, terminal: None, state: State::Running });
        Ok(())
    }

    /// Starts to save the sandbox's files to a pipe, or to restore them from one, in a process of its own that keeps the
    /// agent's identity: it reads and makes the files of every user.
    pub(crate) fn start_archive(
        &mut self,
        id: u32,
        direction: Direction,
        pipe: Option<OwnedFd>,
    ) -> Result<(), SpawnFailure> {
        if self.is_full() {
            return Err(SpawnFailure::LimitReached);
        }
        // An agent that serves at once is in no sandbox of ours: the machine's own files are not its to save.
        if self.spawner.identity() == Identity::Own {
            return Err(SpawnFailure::PermissionDenied);
        }
        let upper = self.upper.as_ref();
        let leader = worker::start(None, pipe, upper, |pipe| archive::perform(direction, upper, pipe))?;
        self.processes.push(Process { id, leader, terminal: None, state: State::Running });
        Ok(())
    }

    /// Signals a whole group or session, as long as its leader runs.
    pub(crate) fn signal(&mut self, id: u32, signal: Signal) -> Result<(), SignalFailure> {
        let process = self.running(id)?;
        let delivered = match &mut process.terminal {
            None => killpg(process.leader, number(signal)),
            Some(terminal) => signal_session(process.leader, terminal, signal),
        };
        delivered.map_err(not_signalled)
    }

    /// Changes the size of a terminal.
    pub(crate) fn resize(&mut self, id: u32, size: TerminalSize) -> Result<(), SignalFailure> {
        let terminal = self.running(id)?.terminal.as_ref().ok_or(SignalFailure::NotFound)?;
        terminal.resize(size).map_err(not_signalled)
    }

    /// What the machine uses.
    pub(crate) fn usage(&self) -> Result<MachineUsage, UsageFailure> {
        let kernel_threads = self.kernel_threads.ok_or(UsageFailure::NotAMachine)?;
        let counted = sysinfo().map_err(|errno| UsageFailure::Failed(errno as i32))?;
        Ok(MachineUsage {
            processes: u32::from(counted.process_count()).saturating_sub(kernel_threads),
            memory: counted.ram_total(),
            free: counted.ram_unused(),
        })
    }

    /// A process that is not reaped, so that its leader's number still is its own.
    fn running(&mut self, id: u32) -> Result<&mut Process, SignalFailure> {
        self.processes
            .iter_mut()
            .find(|process| process.id == id && process.is_running())
            .ok_or(SignalFailure::NotFound)
    }

    /// Takes note of an event on one of a terminal's descriptors.
    pub(crate) fn terminal_may_be_ready(&mut self, id: u32, end: TerminalEnd, events: EpollFlags) {
        // An event may come after the end of what it is about.
        let process = self.processes.iter_mut().find(|process| process.id == id);
        let of_process = process.and_then(|process| process.terminal.as_mut());
        let untaken = self.untaken.iter_mut().filter(|(of, _)| *of == id).map(|(_, terminal)| terminal);
        for terminal in of_process.into_iter().chain(untaken) {
            terminal.may_be_ready(end, events);
        }
    }

    /// Gives each terminal a share of pumping; whether one may need another at once.
    pub(crate) fn pump(&mut self) -> bool {
        let mut busy = false;
        for terminal in self.processes.iter_mut().filter_map(|process| process.terminal.as_mut()) {
            busy |= terminal.pump();
        }
        busy
    }

    /// Reaps ended children, and kills what an ended leader left behind.
    pub(crate) fn reap(&mut self) -> Reaped {
        for _ in 0..REAPED_AT_ONCE {
            let Some(child) = children::peek() else { return Reaped::All };
            let process =
                self.processes.iter_mut().find(|process| process.leader == child && process.is_running());
            // Before reaping: after it, the number could be another group's or session's.
            let session = process.as_ref().map(|process| process.kill_rest()).unwrap_or_default();
            let status = children::reap(child);
            if let Some(process) = process {
                let patience_ends = Instant::now() + GROUP_PATIENCE;
                process.state = State::Ending { status, patience_ends, session };
            }
        }
        Reaped::Some
    }

    /// Takes out the processes of which nothing is left, and says so in responses.
    pub(crate) fn conclude(&mut self) -> Vec<Response> {
        self.untaken.retain_mut(|(_, terminal)| {
            terminal.flush();
            !terminal.is_flushed()
        });
        let mut ended = Vec::new();
        self.processes.retain_mut(|process| match process.conclude() {
            Some(status) => {
                ended.push(Response::Ended { id: process.id, status });
                let untaken = process.terminal.take().filter(|terminal| !terminal.is_flushed());
                self.untaken.extend(untaken.map(|terminal| (process.id, terminal)));
                false
            }
            None => true,
        });
        ended
    }

    /// When to call [`Processes::conclude`] at the latest, if nothing happens before.
    pub(crate) fn patience_ends(&self) -> Option<Instant> {
        self.processes
            .iter()
            .filter_map(|process| match process.state {
                State::Ending { patience_ends, .. } | State::Flushing { patience_ends, .. } => {
                    Some(patience_ends)
                }
                State::Running => None,
            })
            .min()
    }
}

impl Process {
    fn is_running(&self) -> bool {
        matches!(self.state, State::Running)
    }

    /// Kills what an ended leader left behind; which those are, if they cannot be asked for as a group.
    fn kill_rest(&self) -> Vec<Pid> {
        if self.terminal.is_some() {
            return session::kill_all(self.leader);
        }
        // One signal is enough, as the kernel lets no member fork while it is delivered.
        let _ = killpg(self.leader, signal::SIGKILL);
        Vec::new()
    }

    /// Goes on towards the end. How the leader ended, once there is nothing left to wait for.
    fn conclude(&mut self) -> Option<ExitStatus> {
        let now = Instant::now();
        if let State::Ending { status, patience_ends, session } = &mut self.state {
            session.retain(|member| session::has(self.leader, *member));
            // The number may be another group's by now; then this one waits for its patience in vain.
            let are_gone = session.is_empty() && killpg(self.leader, None) == Err(Errno::ESRCH);
            if !are_gone && now < *patience_ends {
                return None;
            }
            let status = *status;
            let Some(terminal) = &mut self.terminal else { return Some(status) };
            terminal.close();
            self.state = State::Flushing { status, patience_ends: now + GROUP_PATIENCE };
        }
        let (State::Flushing { status, patience_ends }, Some(terminal)) =
            (&mut self.state, &mut self.terminal)
        else {
            return None;
        };
        if terminal.flush() {
            *patience_ends = now + GROUP_PATIENCE;
        }
        (terminal.is_flushed() || now >= *patience_ends).then_some(*status)
    }
}

/// Delivers a signal to whom it means on a terminal.
fn signal_session(leader: Pid, terminal: &mut Terminal, signal: Signal) -> Result<(), Errno> {
    match signal {
        Signal::Kill => drop(session::kill_all(leader)),
        // A second time there is nothing left that the kernel could hang up.
        Signal::HangUp if terminal.is_closed() => killpg(leader, signal::SIGHUP)?,
        // The kernel sends it.
        Signal::HangUp => terminal.close(),
        // What keys would do: a shell that waits for a job does not take part.
        Signal::Interrupt | Signal::Quit => {
            killpg(terminal.foreground().unwrap_or(leader), number(signal))?;
        }
        Signal::User1 | Signal::User2 | Signal::Terminate => {
            if let Some(group) = terminal.foreground().filter(|group| *group != leader) {
                // It may be gone already.
                let _ = killpg(group, number(signal));
            }
            killpg(leader, number(signal))?;
        }
    }
    Ok(())
}

fn not_signalled(errno: Errno) -> SignalFailure {
    match errno {
        Errno::ESRCH => SignalFailure::NotFound,
        errno => SignalFailure::Failed(errno as i32),
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
