//! What a jailed process can still do, by trying: each attempt in a process of its own, which jails itself first.
//!
//! Run without arguments this program is the test: it starts itself once for each attempt, as root, and as an ordinary user
//! where root runs it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a failed expectation ends the test"
)]

use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitCode};

use mimobox_vmm::jail::{self, Filter};
use mimobox_vmm_protocol::{Config, Start, Template};
use nix::errno::Errno;
use vm_memory::mmap::MmapRegion;

/// What is tried, and what comes of it behind the jail's walls: an error, as errno(3).
const BEHIND_WALLS: [(&str, Errno); 11] = [
    ("open-file", Errno::ENOENT),
    ("open-proc", Errno::ENOENT),
    ("open-device", Errno::ENOENT),
    ("write-root", Errno::EROFS),
    ("connect-network", Errno::ENETUNREACH),
    ("connect-abstract", Errno::ECONNREFUSED),
    ("become-root", Errno::EINVAL),
    ("mount", Errno::EPERM),
    ("change-root", Errno::EPERM),
    ("signal-parent", Errno::EPERM),
    ("trace-parent", Errno::EPERM),
];

/// What is tried under a filter, which kills.
const UNDER_FILTERS: [(&str, &str); 16] = [
    ("control", "open-file"),
    ("control", "connect-network"),
    ("control", "start-process"),
    ("control", "start-thread"),
    ("control", "executable-memory"),
    ("control", "signal-parent"),
    ("control", "trace-parent"),
    ("control", "new-namespace"),
    ("control", "abort-thread"),
    ("vcpu", "open-file"),
    ("vcpu", "send"),
    ("vcpu", "terminal"),
    ("vcpu", "start-thread"),
    ("device", "open-file"),
    ("device", "start-process"),
    ("device", "connect-network"),
];

/// Exit status of an attempt that succeeded, and of one whose jail failed.
const SUCCEEDED: u8 = 200;
const NOT_JAILED: u8 = 201;

/// Who an ordinary user is.
const USER: u32 = 12345;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["attempt", filter, name] => attempt(filter, name),
        _ => all(),
    }
}

fn all() -> ExitCode {
    let program = std::env::current_exe().unwrap();
    // Where an ordinary user can execute it.
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let copy = folder.path().join("attempts");
    std::fs::copy(program, &copy).unwrap();
    // It is there: only the network namespace keeps an attempt from it.
    let address = SocketAddr::from_abstract_name(listener_of(nix::unistd::getpid())).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    UnixStream::connect_addr(&address).unwrap();
    let users = if nix::unistd::geteuid().is_root() { vec![None, Some(USER)] } else { vec![None] };
    let mut failures = 0;
    for user in users {
        let who = if user.is_some() { "an ordinary user" } else { "the caller" };
        let mut expect = |filter: &str, name: &str, expected: &str| {
            let seen = outcome(&copy, user, filter, name);
            if seen != expected {
                failures += 1;
                println!("as {who}, {filter}, {name}: {seen}, not {expected}");
            }
        };
        for (name, expected) in BEHIND_WALLS {
            expect("none", name, &format!("{expected:?}"));
        }
        for (filter, name) in UNDER_FILTERS {
            expect(filter, name, "killed by 31");
        }
        for filter in ["control", "vcpu", "device"] {
            expect(filter, "ordinary-work", "succeeded");
        }
    }
    println!("{failures} attempts came to something else than expected");
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn outcome(program: &Path, user: Option<u32>, filter: &str, name: &str) -> String {
    let mut command = Command::new(program);
    command.args(["attempt", filter, name]);
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let output = command.output().unwrap();
    match (output.status.code(), output.status.signal()) {
        (Some(code), _) if code == i32::from(SUCCEEDED) => "succeeded".into(),
        (Some(code), _) if code == i32::from(NOT_JAILED) => {
            format!("not jailed: {}", String::from_utf8_lossy(&output.stderr))
        }
        (Some(code), _) => format!("{:?}", Errno::from_raw(code)),
        (None, signal) => format!("killed by {}", signal.unwrap_or(0)),
    }
}

/// Jails itself and tries.
fn attempt(filter: &str, name: &str) -> ExitCode {
    let config = Config {
        memory: 64 << 20,
        vcpus: 1,
        template: Template::Native,
        command_line: String::new(),
        disks: Vec::new(),
        start: Start::Boot,
        account: None,
        tolerated: Vec::new(),
    };
    let parent = nix::unistd::getppid();
    if let Err(failure) = jail::enter(&config) {
        eprintln!("{failure}");
        return ExitCode::from(NOT_JAILED);
    }
    let installed = match filter {
        "control" => Filter::Control.install(),
        "vcpu" => Filter::Vcpu.install(),
        "device" => Filter::Device.install(),
        _ => Ok(()),
    };
    if installed.is_err() {
        return ExitCode::from(NOT_JAILED);
    }
    match carry_out(name, parent) {
        Ok(()) => ExitCode::from(SUCCEEDED),
        Err(errno) => ExitCode::from(u8::try_from(errno as i32).unwrap()),
    }
}

fn carry_out(name: &str, parent: nix::unistd::Pid) -> Result<(), Errno> {
    match name {
        "open-file" => told(std::fs::File::open("/etc/passwd")),
        "open-proc" => told(std::fs::File::open("/proc/self/status")),
        "open-device" => told(std::fs::File::open("/dev/kvm")),
        "write-root" => told(std::fs::create_dir("/new")),
        "connect-network" => told(TcpStream::connect("127.0.0.1:1")),
        "connect-abstract" => {
            let address = SocketAddr::from_abstract_name(listener_of(parent)).unwrap();
            told(UnixStream::connect_addr(&address))
        }
        "become-root" => nix::unistd::setuid(nix::unistd::Uid::from_raw(0)),
        "mount" => {
            let none: Option<&str> = None;
            nix::mount::mount(Some("tmpfs"), "/", Some("tmpfs"), nix::mount::MsFlags::empty(), none)
        }
        "change-root" => nix::unistd::chroot("/"),
        "signal-parent" => nix::sys::signal::kill(parent, nix::sys::signal::Signal::SIGTERM),
        "trace-parent" => nix::sys::ptrace::attach(parent),
        "start-process" => told(Command::new("/bin/true").status()),
        "start-thread" => told(std::thread::Builder::new().spawn(|| ())),
        "new-namespace" => nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER),
        "executable-memory" => {
            let (protection, flags) =
                (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            MmapRegion::<()>::build(None, 4096, protection, flags).map(|_| ()).map_err(|_| Errno::EPERM)
        }
        "abort-thread" => nix::sys::signal::raise(nix::sys::signal::Signal::SIGABRT),
        "send" => told(rustix::net::send(rustix::stdio::stdout(), b"x", rustix::net::SendFlags::empty())),
        "terminal" => told(rustix::termios::tcgetwinsize(rustix::stdio::stdout())),
        "ordinary-work" => {
            let memory = vec![1_u8; 4 << 20];
            assert!(memory.iter().all(|byte| *byte == 1));
            println!("said");
            Ok(())
        }
        _ => panic!("no attempt {name}"),
    }
}

/// The abstract name at which the parent listens.
fn listener_of(parent: nix::unistd::Pid) -> String {
    format!("mimobox-vmm-attempts-{parent}")
}

fn told<T, E: Into<std::io::Error>>(answer: Result<T, E>) -> Result<(), Errno> {
    answer.map(|_| ()).map_err(|error| Errno::from_raw(error.into().raw_os_error().unwrap_or(libc::EIO)))
}
