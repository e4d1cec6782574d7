//! What the host and the agent say to each other: the frames, and nothing else.
//!
//! Both ends open with a [`Hello`] and check the other's before they send anything more. Then the host sends
//! [`Request`]s and the agent [`Response`]s. The host numbers its requests; the number of a spawn is, from then
//! on, the number of the process.
//!
//! ```text
//!   host                              agent
//!     Hello            ────  ────►
//!                      ◄────  ────    Hello
//!     Spawn{7}, 3 fds  ──────────►
//!                      ◄──────────    Started{7}   or Refused{7, why}: nothing runs, 7 is done with
//!     Signal{8, 7}     ──────────►
//!                      ◄──────────    Signalled{8, delivered}
//!                      ◄──────────    Ended{7, status}: its process group is gone, 7 is done with
//! ```
//!
//! A microVM is told first what it is to be ([`SetUp`]), and only then do both ends say [`Hello`].
//!
//! There is no I/O here and no allocation beyond [`MAX_FRAME`] for a frame. File descriptors travel beside the
//! bytes where the transport can carry them; [`Request::descriptors`] says how many belong to a frame. They only
//! ever go from the host to the agent.
//!
//! What the agent sends is hostile to the host: whoever breaks out of a command may speak in the agent's place.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod files;
mod frame;
mod hello;
mod machine;
mod message;

pub use files::{
    ChangeKind, FileEntry, FileFailure, FileKind, FileOperation, FilePipe, WatchMessage, outcome,
};
pub use frame::{DecodeError, Decoder, EncodeError, MAX_FRAME, encode};
pub use hello::{Hello, HelloError, VERSION};
pub use machine::{
    ENTROPY, MACHINE_READY, MAX_VOLUMES, MachineRoot, MachineUsage, MachineVolume, SetUp, SetUpAnswer,
    SetUpFailure, UsageFailure,
};
pub use message::{
    Command, ExitStatus, Limit, MAX_DESCRIPTORS, Request, Resource, Response, Signal, SignalFailure,
    SpawnFailure, Stdin, TerminalSize,
};

/// The user that a command runs as where it names none, inside the sandbox.
pub const SANDBOX_UID: u32 = 1000;
/// The group of [`SANDBOX_UID`].
pub const SANDBOX_GID: u32 = 1000;
/// The name of user and group in the sandbox's own `/etc/passwd` and `/etc/group`.
pub const SANDBOX_NAME: &str = "sandbox";
/// The home of that user, and where a command starts unless it says otherwise.
pub const SANDBOX_HOME: &str = "/home/sandbox";
