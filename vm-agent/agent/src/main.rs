//! The agent: the one program of ours inside a sandbox, its pid 1, through which the host runs commands.
//!
//! ```text
//!   mimobox-agent os        takes a plan from the host, closes itself in by it, then serves
//!   mimobox-agent vm        is the first process of a microVM, and makes it ready for the host
//!   mimobox-agent serve     serves at once, as the user it is: for tests
//!   mimobox-agent relay     serves like that, through a microVM's relay: for tests
//!   mimobox-agent janitor   waits beside a sandbox, outside it, and clears up if the host dies
//! ```
//!
//! The host starts it with its end of the connection as descriptor 3; a machine's kernel starts it with nothing. When that connection closes, the agent
//! exits, and as it is pid 1 the kernel then kills whatever runs in the sandbox.
//!
//! One thread, no shared state: `server` waits for the connection, for ended children and for terminals, `connection` speaks
//! the protocol, `processes` knows what runs. `spawn` and `child` start a command, on a `terminal` where one is asked for;
//! `worker` starts a process that does an operation on `files`.

#![deny(clippy::indexing_slicing)]
#![allow(unsafe_code, reason = "takes over the descriptor that the host leaves")]

mod archive;
mod attributes;
mod child;
mod children;
mod connection;
mod event_source;
mod files;
mod identity;
mod janitor;
mod os;
mod passwd;
mod processes;
mod server;
mod session;
mod spawn;
mod surroundings;
mod terminal;
mod vm;
mod worker;

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::Write as _;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use crate::identity::Identity;
use crate::surroundings::Surroundings;

/// Where the host leaves this program's end of the connection.
const CONNECTION: RawFd = 3;

/// And, with `relay`, where the other end's streams come in.
const STREAMS: RawFd = 4;

fn main() -> ExitCode {
    let mode = std::env::args_os().nth(1);
    let mode = mode.as_deref().and_then(OsStr::to_str);
    if mode == Some("vm") {
        vm::run();
        return failed(&"not allowed to stop the machine");
    }
    let Some(socket) = inherited(CONNECTION) else { return failed(&"no socket at descriptor 3") };
    match mode {
        Some("os") => {
            let socket = UnixStream::from(socket);
            match os::start(&socket) {
                Ok((identity, upper)) => {
                    serve(socket, Surroundings { identity, upper, kernel_threads: None })
                }
                Err(error) => failed(&error),
            }
        }
        Some("serve") => {
            let identity = Identity::Own;
            serve(UnixStream::from(socket), Surroundings { identity, upper: None, kernel_threads: None })
        }
        Some("relay") => {
            let Some(streams) = inherited(STREAMS) else { return failed(&"no socket at descriptor 4") };
            ended(vm::relay_only(socket, streams))
        }
        Some("janitor") => janitor::run(socket),
        _ => failed(&"expects one argument: os, vm, serve, relay or janitor"),
    }
}

fn serve(socket: UnixStream, surroundings: Surroundings) -> ExitCode {
    if let Err(error) = attributes::set() {
        return failed(&error);
    }
    ended(server::serve(socket, surroundings))
}

fn ended(outcome: Result<(), impl Display>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// A descriptor that whoever started this program left, if they did.
fn inherited(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: fcntl reads no memory; a number that is no descriptor is an error, not undefined.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags < 0 {
        return None;
    }
    // SAFETY: open, as just asked, and owned by nobody: nothing of this program has opened a descriptor yet.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Says why on standard error, which the host may keep for its log.
fn failed(why: &dyn Display) -> ExitCode {
    // Where nobody listens there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "mimobox-agent: {why}");
    ExitCode::FAILURE
}
