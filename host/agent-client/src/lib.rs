//! The host's end of the agent protocol: many processes over one connection.
//!
//! A backend makes a sandbox, starts the agent in it and hands over its end of the connection; the rest of the
//! host talks to the sandbox through [`Client`]. Standard streams are pipes that the host makes here and passes
//! along with the request, so their bytes never pass through the agent or this connection.
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

pub use client::{Client, Options};
pub use error::{ClientError, ConnectError, Disconnect, FileError, SignalError, SpawnError};
pub use files::{FileEnd, FileTask, Watch};
pub use mimobox_protocol::{
    ChangeKind, Command, ExitStatus, FileEntry, FileFailure, FileKind, FileOperation, Limit, Resource,
    Signal, SignalFailure, SpawnFailure, Stdin, TerminalSize, WatchMessage,
};
pub use pipe::{Input, Output};
pub use process::{Ended, Opened, Spawned};
