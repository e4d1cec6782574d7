//! Sandboxes of this machine's kernel, for real. They take root and a static agent (`MIMOBOX_AGENT`).

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a failed expectation ends the test; one that is skipped says so"
)]

mod confinement;
mod harness;
mod image_folders;
mod images;
mod isolation;
mod lifecycle;
mod limits;
mod ordinary;
mod programs;
mod root;
mod unprivileged;
mod volumes;
