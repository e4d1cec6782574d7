//! The binary from outside: what it prints, says and exits with.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]
#![allow(clippy::disallowed_methods, reason = "starts the host as its users do")]

mod audit;
mod bad_components;
mod caller;
mod configuration;
mod exec;
mod guests;
mod image;
mod inspect;
mod pages;
mod run;
mod signals;

use caller::Caller;
