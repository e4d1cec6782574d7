//! The agent: the one program of ours inside a sandbox, its pid 1, through which the host runs commands.
//!
//! ```text
//!   mimobox-agent os        takes a plan from the host, closes itself in by it, then serves
//!   mimobox-agent serve     serves at once, as the user it is: for tests, and for a microVM that is its own box
//!   mimobox-agent janitor   waits beside a sandbox, outside it, and clears up if the host dies
//! ```
//!
//! The host starts it with its end of the connection as descriptor 3. When that connection closes, the agent
//! exits, and as it is pid 1 the kernel then kills whatever runs in the sandbox.

mod identity;
mod janitor;
mod os;
mod server;

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use crate::identity::Identity;

/// Where the host leaves this program's end of the connection.
const CONNECTION: RawFd = 3;

fn main() -> ExitCode {
    todo!()
}
