//! One test for each attempt to get out of a sandbox, by what is attacked.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]
#![allow(clippy::disallowed_methods, reason = "has processes of the host to attack")]

mod devices;
mod exhaustion;
mod files;
mod identity;
mod inheritance;
mod kernel;
mod namespaces;
mod neighbours;
mod network;
mod processes;
mod second_line;
mod system_calls;
mod terminals;
mod volumes;
