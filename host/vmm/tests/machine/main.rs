//! The program `mimobox-vmm`, started and spoken with as its host does.
//!
//! Most tests run kernels of a few bytes, so that they take milliseconds on any KVM. Without `/dev/kvm` they are skipped, and
//! say so; with `CI=true` its absence is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a failed expectation ends the test"
)]

mod configuration;
mod ends;
mod hostile_state;
mod jail;
mod kernels;
mod linux;
mod need;
mod pause_and_save;
mod shapes;
mod tiny;
mod vmm;
