//! The isolation suite's machinery: attempts to get out of a sandbox, and the places in which each is made.
//!
//! An attempt that is refused proves nothing by itself: it may just be broken. So each is made twice, and must
//!
//! ```text
//!   be stopped in        a sandbox, made by the host as for everybody
//!   get through in       a control, from which what stops it was taken away:
//!                          · a sandbox whose plan lacks a step           (seccomp, Landlock, masks, …)
//!                          · a process in a sandbox's namespaces, save some, with every right in them and no filter
//!                          · a process of the host
//! ```
//!
//! What an attempt does is a function of a Python program in `programs/`. It says how it ended by its exit status, so that
//! a broken one is neither: see `programs/attempt.py`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed expectation ends the test, and what cannot be shown is said"
)]

mod attempt;
mod bystander;
mod confined;
mod entered;
mod place;
pub mod without;

pub use attempt::{Attempt, Outcome, open_to_everybody};
pub use bystander::Bystander;
pub use confined::{Conditions, Confined, MIB};
pub use entered::Namespace;
pub use place::{Place, User};
