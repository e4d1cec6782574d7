//! What runs between clone(2) and execve(2).
//!
//! The child shares the agent's memory, and the agent stands still until the child has executed its program or
//! ended (`CLONE_VM | CLONE_VFORK`). Against fork(2), which copies the agent's page tables, that makes a spawn
//! a third as long: 57 µs instead of 191 µs to the execve of `/bin/true`, 490 µs instead of 590 µs to its end
//! (medians of 2,000, Linux 6.18 in a VM). The price is care: here nothing allocates, panics or unwinds, and
//! all that the child writes is its own stack and one cell.
//!
//! From the switch of users to execve(2) a process of the same user can stop the child, and with it the agent.
//! That harms only its own sandbox, which the host then finds unresponsive.

#![allow(unsafe_code, reason = "clone(2), execve(2) and close_range(2)")]

use std::cell::Cell;
use std::convert::Infallible;
use std::ffi::CStr;

use mimobox_confine::{empty_bounding_set, give_up_capabilities};
use mimobox_protocol::SpawnFailure;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, clone};
use nix::sys::prctl;
use nix::sys::resource::setrlimit;
use nix::sys::signal::{SIGCHLD, SigSet, SigmaskHow, sigprocmask};
use nix::sys::stat::{Mode, SFlag, stat};
use nix::unistd::{
    Pid, Uid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, setgroups, setresgid, setresuid, setsid, write,
};

use crate::identity::{Change, User};
use crate::spawn::Exec;
use crate::terminal;

/// The child's stack, kept from one to the next. Calls in here are a few deep and hold no buffers.
pub(crate) struct Stack(Vec<u8>);

impl Default for Stack {
    fn default() -> Self {
        Self(vec![0; 32 * 1024])
    }
}

/// Starts a child and waits until it has executed its program, or why it has not.
pub(crate) fn start(exec: &Exec<'_>, stack: &mut Stack) -> Result<Pid, SpawnFailure> {
    let failure = Cell::new(None);
    let body = || {
        let Err(why) = become_program(exec);
        failure.set(Some(why));
        1
    };
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    // SAFETY: the stack is used by nobody else until the child has left this memory, which CLONE_VFORK waits for;
    // there is one thread, so no lock is held by another; `become_program` does not panic.
    let child =
        unsafe { clone(Box::new(body), &mut stack.0, flags, Some(SIGCHLD as i32)) }.map_err(failed)?;
    // A child that failed ends by itself, and is reaped as any stranger is.
    failure.get().map_or(Ok(child), Err)
}

fn become_program(exec: &Exec<'_>) -> Result<Infallible, SpawnFailure> {
    // A session of its own: no terminal yet, and the pid is the number of its process group.
    setsid().map_err(failed)?;
    // The agent's own 0, 1 and 2 are always open, so that no stream is one of them and is lost here.
    let [input, output, error] = exec.streams;
    dup2_stdin(input).map_err(failed)?;
    dup2_stdout(output).map_err(failed)?;
    dup2_stderr(error).map_err(failed)?;
    close_from(3).map_err(failed)?;
    if exec.has_terminal {
        terminal::take_control().map_err(failed)?;
    }
    for (resource, value) in &exec.limits {
        match setrlimit(*resource, *value, *value) {
            // Not to be raised: the agent itself is under a lower limit, which then holds for the command too.
            Ok(()) | Err(Errno::EPERM) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    if let Some(user) = exec.user {
        switch(user)?;
    }
    // As that user, who may not be allowed in.
    chdir(exec.directory.as_c_str()).map_err(no_directory)?;
    // All are blocked in the agent. Dispositions are the default in the agent already.
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None).map_err(failed)?;
    Err(execute(exec))
}

/// Becomes another user; the kernel drops all capabilities on the way from uid 0.
pub(crate) fn switch(user: User) -> Result<(), SpawnFailure> {
    let User { ids, change } = user;
    let denied = |errno| match errno {
        // The user has no place in this user namespace.
        Errno::EINVAL | Errno::EPERM => SpawnFailure::PermissionDenied,
        errno => failed(errno),
    };
    if change == Change::ForGood && ids.uid == Uid::current() {
        return stay().map_err(failed);
    }
    go_before_the_agent().map_err(failed)?;
    if change == Change::ForGood {
        // First, as it takes one of the capabilities that go. Beside no_new_privs it is a second lock on the same door.
        empty_bounding_set().map_err(failed)?;
    }
    setgroups(&[]).map_err(denied)?;
    setresgid(ids.gid, ids.gid, ids.gid).map_err(denied)?;
    setresuid(ids.uid, ids.uid, ids.uid).map_err(denied)?;
    // The switch sets this by fs.suid_dumpable, and this memory still is the agent's. execve(2) sets it anew.
    prctl::set_dumpable(false).map_err(failed)
}

/// Gives up what a change of users would take. The agent's own `/proc/self` is nobody's to write to where its sandbox has no
/// root, so its user can't go before it when memory is short.
fn stay() -> Result<(), Errno> {
    empty_bounding_set()?;
    give_up_capabilities()
}

/// Where memory is short the kernel ends the largest process, and files in memory are nobody's: among small ones it could
/// be the agent, and the whole sandbox with it. So a command offers itself first: proc_pid_oom_score_adj(5). It can take that
/// back, to be as good a choice as the agent and no worse.
fn go_before_the_agent() -> Result<(), Errno> {
    let file = open(c"/proc/self/oom_score_adj", OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    write(&file, b"1000").map(drop)
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: u32) -> Result<(), Errno> {
    close_range(first, u32::MAX)
}

/// Closes every descriptor from `first` to `last`.
pub(crate) fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: takes numbers and touches no memory. The child's table is a copy, so the agent keeps its own.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    Errno::result(result).map(drop)
}

/// Executes the first candidate that can be. Returns only if none can.
fn execute(exec: &Exec<'_>) -> SpawnFailure {
    let mut outcome = SpawnFailure::NotFound;
    for program in &exec.programs {
        // SAFETY: three arrays of NUL-terminated strings, the latter two ended by null, that live in `exec`.
        unsafe { libc::execve(program.as_ptr(), exec.arguments.as_ptr(), exec.environment.as_ptr()) };
        match Errno::last() {
            Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENAMETOOLONG => {}
            // As the shell does: look on, but remember that there was something.
            Errno::EACCES if is_directory(program) => {
                if outcome == SpawnFailure::NotFound {
                    outcome = SpawnFailure::IsADirectory;
                }
            }
            Errno::EACCES => outcome = SpawnFailure::PermissionDenied,
            errno => return not_executed(errno),
        }
    }
    outcome
}

fn is_directory(path: &CStr) -> bool {
    stat(path).is_ok_and(|found| SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR)
}

/// What execve(2) means by an error that no other candidate can mend.
fn not_executed(errno: Errno) -> SpawnFailure {
    match errno {
        Errno::EPERM => SpawnFailure::PermissionDenied,
        // Of the interpreter.
        Errno::EISDIR => SpawnFailure::IsADirectory,
        Errno::ENOEXEC | Errno::EINVAL | Errno::ELIBBAD | Errno::ETXTBSY => SpawnFailure::NotExecutable,
        Errno::E2BIG => SpawnFailure::ArgumentsTooLong,
        errno => failed(errno),
    }
}

fn no_directory(errno: Errno) -> SpawnFailure {
    match errno {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENAMETOOLONG => {
            SpawnFailure::DirectoryNotFound
        }
        Errno::EACCES => SpawnFailure::PermissionDenied,
        errno => failed(errno),
    }
}

/// What an error means that says nothing of the command itself.
pub(crate) fn failed(errno: Errno) -> SpawnFailure {
    match errno {
        Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE => SpawnFailure::LimitReached,
        errno => SpawnFailure::Failed(errno as i32),
    }
}
