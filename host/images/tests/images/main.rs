//! The image store from outside: what it takes, what it refuses, and that nothing else is ever touched.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod archives;
mod directories;
mod disk;
mod docker;
mod hostile;
mod layers;
mod mutated;
mod oci;
mod packing;
mod shelf;
mod store;
