//! The host's end of the agent protocol: many processes over one connection.
//!
//! A backend makes a sandbox, starts the agent in it and hands over its end of the connection; the rest of the
//! host talks to the sandbox through [`Client`]. Standard streams are pipes that the host makes here and passes
//! along with the request, so their bytes never pass through the agent or this connection. To a microVM no descriptor can
//! pass: there a relay pumps between the pipes and the machine ([`Streams::Relayed`]), and the machine is first told what it is
//! to be ([`Client::connect_machine`]).
//!
//! ```text
//!   Client::spawn ──────┐                     ┌─► Spawned { stdin, stdout, stderr, ended }
//!   Client::begin_file ─┼─► outbox ─► socket ─┼─► FileTask { pipe, ended }
//!   Client::signal ─────┘                     └─► one task a connection: reads answers, wakes who waits
//! ```
//!
//! Everything that the agent sends is hostile. What is malformed, unasked for or too much closes the connection;
//! every call that waits then answers [`ClientError::Gone`], and so does every later one.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod client;
mod connection;
mod error;
mod files;
mod outbox;
mod pipe;
mod process;
mod requests;

pub use client::{Client, Options, Streams};
pub use error::{ClientError, ConnectError, Disconnect, FileError, SignalError, SpawnError, UsageError};
pub use files::{FileEnd, FileTask, Watch};
pub use mimobox_protocol::{
    ChangeKind, Command, ENTROPY, ExitStatus, FileEntry, FileFailure, FileKind, FileOperation, Limit,
    MAX_VOLUMES, MachineRoot, MachineUsage, MachineVolume, Resource, SetUp, SetUpFailure, Signal,
    SignalFailure, SpawnFailure, Stdin, TerminalSize, UsageFailure, WatchMessage,
};
pub use pipe::{Input, Output};
pub use process::{Ended, Opened, Spawned};
