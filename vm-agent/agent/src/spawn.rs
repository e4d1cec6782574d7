//! From a command to a process: everything that needs memory or may fail early happens here, before `child` runs.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr;

use mimobox_protocol::{Command, Limit, Resource, SpawnFailure};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::resource::Resource as KernelResource;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, Uid};

use crate::child;
use crate::identity::{Identity, User};

/// Where programs are looked up for a command without a `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Most folders of a `PATH` that are looked into, so that a long one cannot be turned into a thousand times its
/// length of candidates.
const MAX_FOLDERS: usize = 64;

/// What the child does between clone(2) and execve(2), in terms that need no memory.
pub(crate) struct Exec<'a> {
    /// Standard input, output and error.
    pub(crate) streams: [BorrowedFd<'a>; 3],
    /// Whether they are a terminal, to be the controlling one.
    pub(crate) has_terminal: bool,
    pub(crate) limits: Vec<(KernelResource, u64)>,
    pub(crate) user: Option<User>,
    pub(crate) directory: CString,
    /// Tried in this order.
    pub(crate) programs: Vec<CString>,
    pub(crate) arguments: Strings,
    pub(crate) environment: Strings,
}

/// Strings as execve(2) takes them.
pub(crate) struct Strings {
    /// Ends with a null pointer; the others point into `owned`.
    pointers: Vec<*const c_char>,
    /// Never read again, but it must live as long as the pointers.
    _owned: Vec<CString>,
}

impl Strings {
    fn new(owned: Vec<CString>) -> Self {
        // A CString's bytes are on the heap and stay where they are when `owned` moves.
        let pointers = owned.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Self { pointers, _owned: owned }
    }

    pub(crate) fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

/// Starts commands, one at a time.
pub(crate) struct Spawner {
    identity: Identity,
    /// Opened when a command first wants it.
    null: Option<OwnedFd>,
    stack: child::Stack,
}

impl Spawner {
    pub(crate) fn new(identity: Identity) -> Self {
        Self { identity, null: None, stack: child::Stack::default() }
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Starts `command` as the leader of a session of its own. `streams` are output and error, with input before
    /// them unless the command is to read `/dev/null`.
    pub(crate) fn spawn(&mut self, command: &Command, streams: &[OwnedFd]) -> Result<Pid, SpawnFailure> {
        let streams = match streams {
            [input, output, error] => [input.as_fd(), output.as_fd(), error.as_fd()],
            [output, error] => [null(&mut self.null)?, output.as_fd(), error.as_fd()],
            _ => return Err(SpawnFailure::Failed(Errno::EBADF as i32)),
        };
        let exec = prepare(command, self.identity, streams)?;
        child::start(&exec, &mut self.stack)
    }

    /// Starts `command` as the leader of a session on a terminal of its own, which `open` makes for the command's user and
    /// whose slave comes with it.
    pub(crate) fn spawn_on_terminal<T>(
        &mut self,
        command: &Command,
        open: impl FnOnce(Option<Uid>) -> Result<(T, OwnedFd), Errno>,
    ) -> Result<(Pid, T), SpawnFailure> {
        let owner = self.identity.resolve(command.user.as_deref())?.map(|user| user.ids.uid);
        let (terminal, slave) = open(owner).map_err(child::failed)?;
        let exec = Exec { has_terminal: true, ..prepare(command, self.identity, [slave.as_fd(); 3])? };
        Ok((child::start(&exec, &mut self.stack)?, terminal))
    }
}

/// The sandbox's own `/dev/null`: one of the host's could not be opened again through `/proc/self/fd`.
fn null(kept: &mut Option<OwnedFd>) -> Result<BorrowedFd<'_>, SpawnFailure> {
    let file = match kept.take() {
        Some(file) => file,
        None => {
            open("/dev/null", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).map_err(child::failed)?
        }
    };
    let kept: &OwnedFd = kept.insert(file);
    Ok(kept.as_fd())
}

fn prepare<'a>(
    command: &Command,
    identity: Identity,
    streams: [BorrowedFd<'a>; 3],
) -> Result<Exec<'a>, SpawnFailure> {
    let arguments = std::iter::once(&command.program).chain(&command.arguments).map(String::as_str);
    let environment = environment(command)?;
    let path = environment.get("PATH").copied().unwrap_or(DEFAULT_PATH);
    Ok(Exec {
        streams,
        has_terminal: false,
        limits: command.limits.iter().map(|limit| (resource(*limit), limit.value)).collect(),
        user: identity.resolve(command.user.as_deref())?,
        directory: c_string(command.directory.as_str())?,
        programs: programs(&command.program, path)?,
        arguments: Strings::new(arguments.map(c_string).collect::<Result<_, _>>()?),
        environment: Strings::new(
            environment
                .iter()
                .map(|(name, value)| c_string(format!("{name}={value}")))
                .collect::<Result<_, _>>()?,
        ),
    })
}

fn c_string(string: impl Into<Vec<u8>>) -> Result<CString, SpawnFailure> {
    CString::new(string).map_err(|_| SpawnFailure::InvalidString)
}

/// One value a name: programs differ in which of two they take, and one that is checked must be the one used.
fn environment(command: &Command) -> Result<BTreeMap<&str, &str>, SpawnFailure> {
    command
        .environment
        .iter()
        .map(|(name, value)| match name.as_str() {
            name if name.is_empty() || name.contains('=') => Err(SpawnFailure::InvalidString),
            name => Ok((name, value.as_str())),
        })
        .collect()
}

/// The paths at which `program` may be. An empty folder of the path means the working directory to some; here it
/// means nothing, as a command that enters a hostile directory should not run what lies there.
fn programs(program: &str, path: &str) -> Result<Vec<CString>, SpawnFailure> {
    if program.is_empty() {
        return Err(SpawnFailure::NotFound);
    }
    if program.contains('/') {
        return Ok(vec![c_string(program)?]);
    }
    path.split(':')
        .filter(|folder| !folder.is_empty())
        .take(MAX_FOLDERS)
        .map(|folder| c_string(format!("{folder}/{program}")))
        .collect()
}

fn resource(limit: Limit) -> KernelResource {
    match limit.resource {
        Resource::AddressSpace => KernelResource::RLIMIT_AS,
        Resource::CoreSize => KernelResource::RLIMIT_CORE,
        Resource::CpuSeconds => KernelResource::RLIMIT_CPU,
        Resource::Data => KernelResource::RLIMIT_DATA,
        Resource::FileSize => KernelResource::RLIMIT_FSIZE,
        Resource::LockedMemory => KernelResource::RLIMIT_MEMLOCK,
        Resource::OpenFiles => KernelResource::RLIMIT_NOFILE,
        Resource::Processes => KernelResource::RLIMIT_NPROC,
        Resource::Stack => KernelResource::RLIMIT_STACK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(program: &str, path: &str) -> Vec<String> {
        let programs = programs(program, path).unwrap();
        programs.into_iter().map(|program| program.into_string().unwrap()).collect()
    }

    #[test]
    fn a_name_is_looked_for_in_each_folder_in_turn() {
        assert_eq!(candidates("ls", "/usr/bin:/bin"), ["/usr/bin/ls", "/bin/ls"]);
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        assert_eq!(candidates("./ls", "/usr/bin"), ["./ls"]);
    }

    #[test]
    fn an_empty_folder_means_nothing() {
        assert_eq!(candidates("ls", "::/bin:"), ["/bin/ls"]);
    }

    #[test]
    fn a_long_path_makes_no_more_candidates_than_are_tried() {
        assert_eq!(candidates("ls", &"/a:".repeat(10_000)).len(), MAX_FOLDERS);
    }
}
