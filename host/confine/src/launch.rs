//! Starting the agent: in namespaces of its own, or, as the janitor, in none.

use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;

use crate::capabilities;
use crate::idmap::IdMap;
use crate::sys;

/// The namespaces that every sandbox gets. The cgroup namespace comes later, by the plan, since its root is the cgroup that
/// the process is in at that time.
const NAMESPACES: u64 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS)
    .cast_unsigned() as u64;

/// A program could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// No anonymous file.
    #[error("failed to make an anonymous file")]
    Create(#[source] Errno),
    /// It could not be filled.
    #[error("failed to write the program")]
    Write(#[source] std::io::Error),
    /// It could not be made unchangeable.
    #[error("failed to seal the program")]
    Seal(#[source] Errno),
    /// No `/dev/null`.
    #[error("failed to open /dev/null")]
    Null(#[source] Errno),
}

/// A process was not started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// An argument holds a NUL.
    #[error("failed to pass an argument")]
    Argument(#[source] std::ffi::NulError),
    /// The kernel refused.
    #[error("failed to make a process in new namespaces")]
    Clone(#[source] Errno),
}

/// A running process was not killed or waited for.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// It could not be killed.
    #[error("failed to kill the process")]
    Kill(#[source] Errno),
    /// It could not be waited for.
    #[error("failed to wait for the process")]
    Wait(#[source] Errno),
}

/// A static program in memory that nobody can change, ready to be executed any number of times.
#[derive(Debug)]
pub struct Program {
    file: OwnedFd,
    null: OwnedFd,
}

impl Program {
    /// Copies it into a sealed anonymous file.
    ///
    /// # Errors
    /// Each variant of [`ProgramError`] is a step.
    pub fn load(bytes: &[u8]) -> Result<Self, ProgramError> {
        // `MFD_EXEC` of `linux/memfd.h`. Kernels before 6.3 do not know it and make every such file executable.
        let executable = MFdFlags::from_bits_retain(0x10);
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = match memfd_create(c"mimobox-agent", flags | executable) {
            Err(Errno::EINVAL) => memfd_create(c"mimobox-agent", flags),
            answer => answer,
        };
        let mut file = File::from(file.map_err(ProgramError::Create)?);
        file.write_all(bytes).map_err(ProgramError::Write)?;
        let seals =
            SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).map_err(ProgramError::Seal)?;
        let null = nix::fcntl::open(c"/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(ProgramError::Null)?;
        Ok(Self { file: file.into(), null })
    }

    /// Starts it as pid 1 of new user, pid, mount, network, IPC and host name namespaces, with `connection` as descriptor 3
    /// and nothing else of the host's: no environment, no other descriptor, no terminal.
    ///
    /// In its user namespace it holds the capabilities that carrying out a plan needs, and it is nobody until
    /// [`map_ids`](crate::map_ids) maps `users`. What the kernel counts for whoever made the namespace, such as inotify(7)
    /// instances, it counts for a user of its own if it has one. With `cgroup`, a directory of cgroup v2, it starts in there.
    ///
    /// # Errors
    /// Each variant of [`LaunchError`] is a step.
    pub fn start_confined(
        &self,
        arguments: &[&str],
        connection: BorrowedFd<'_>,
        users: &IdMap,
        cgroup: Option<BorrowedFd<'_>>,
    ) -> Result<Child, LaunchError> {
        let creator = match users {
            IdMap::Range(range) => Some(range.base),
            IdMap::Subordinates(..) | IdMap::Alone(..) => None,
        };
        let start = self.start(connection, arguments)?;
        Self::clone_into(sys::Start {
            namespaces: NAMESPACES,
            capabilities: capabilities::TO_CARRY_OUT_A_PLAN,
            cgroup,
            creator,
            ..start
        })
    }

    /// Starts it as it is, with the host's rights, `connection` as descriptor 3.
    ///
    /// # Errors
    /// Each variant of [`LaunchError`] is a step.
    pub fn start_free(&self, arguments: &[&str], connection: BorrowedFd<'_>) -> Result<Child, LaunchError> {
        self.start(connection, arguments).and_then(Self::clone_into)
    }

    /// The same, born in `cgroup`, a directory of cgroup v2.
    ///
    /// # Errors
    /// Each variant of [`LaunchError`] is a step.
    pub fn start_free_in(
        &self,
        arguments: &[&str],
        connection: BorrowedFd<'_>,
        cgroup: Option<BorrowedFd<'_>>,
    ) -> Result<Child, LaunchError> {
        let start = self.start(connection, arguments)?;
        Self::clone_into(sys::Start { cgroup, ..start })
    }

    /// As it is.
    fn start<'a>(
        &'a self,
        connection: BorrowedFd<'a>,
        arguments: &[&str],
    ) -> Result<sys::Start<'a>, LaunchError> {
        let arguments = arguments
            .iter()
            .map(|argument| CString::new(*argument))
            .collect::<Result<_, _>>()
            .map_err(LaunchError::Argument)?;
        Ok(sys::Start {
            program: self.file.as_fd(),
            arguments,
            connection,
            null: self.null.as_fd(),
            namespaces: 0,
            capabilities: 0,
            cgroup: None,
            creator: None,
        })
    }

    fn clone_into(start: sys::Start<'_>) -> Result<Child, LaunchError> {
        sys::clone_into(start).map(Child).map_err(LaunchError::Clone)
    }
}

/// A process that was started. Dropping it kills and reaps it, and blocks for as long as that takes.
#[derive(Debug)]
pub struct Child(sys::Started);

impl Child {
    /// Its number, which stays its own until it is reaped.
    pub fn pid(&self) -> i32 {
        self.0.pid()
    }

    /// A handle that becomes readable when it has ended: for a pid 1, when its whole namespace has.
    pub fn handle(&self) -> BorrowedFd<'_> {
        self.0.handle()
    }

    /// Frees what the start needed. To be called once the program has said anything.
    pub fn runs(&mut self) {
        self.0.runs();
    }

    /// Kills it, and with a pid 1 all of its namespace. No error if it has ended.
    ///
    /// # Errors
    /// `Kill`.
    pub fn kill(&self) -> Result<(), EndError> {
        self.0.kill().map_err(EndError::Kill)
    }

    /// Holds its mounts, so that its end has none to take apart: that waits for every processor of the machine. Whoever drops
    /// what this gives does it then. None where the kernel does not let us, and then the end takes that much longer.
    pub fn hold_mounts(&self) -> Option<HeldMounts> {
        File::open(format!("/proc/{}/ns/mnt", self.pid())).ok().map(HeldMounts)
    }

    /// Blocks until it has ended, and leaves it to be reaped: for a pid 1, until nothing of its namespace runs any more.
    ///
    /// # Errors
    /// `Wait`.
    pub fn wait_for_end(&self) -> Result<(), EndError> {
        self.0.wait_for_end().map_err(EndError::Wait)
    }

    /// Blocks until it has ended, and reaps it.
    ///
    /// # Errors
    /// `Wait`.
    pub fn wait(&mut self) -> Result<(), EndError> {
        self.0.wait().map_err(EndError::Wait)
    }
}

/// The mounts of a process, there until this is dropped even if the process is not. Dropping it blocks for a moment.
#[derive(Debug)]
pub struct HeldMounts(#[allow(dead_code, reason = "that it is open is what it is for")] File);

/// Whether the kernel lets this user make all the namespaces of a sandbox, by making them.
///
/// # Errors
/// `Clone`.
pub fn try_namespaces() -> Result<(), LaunchError> {
    sys::try_namespaces(NAMESPACES).map_err(LaunchError::Clone)
}
