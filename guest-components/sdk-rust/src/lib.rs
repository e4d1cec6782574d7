//! SDK for mimobox-host orchestrators in Rust.
//!
//! An orchestrator is a component that drives sandboxes: it makes them, runs commands in them, and reads what comes out.
//! What it may do is the operator's and the policies' to say; a refusal is an [`Error::Denied`] with the rule's name.
//!
//! ```no_run
//! use std::time::Duration;
//! use mimobox_guest::{Error, Sandbox, println};
//!
//! async fn run(_arguments: Vec<String>) -> Result<(), Error> {
//!     let sandbox = Sandbox::builder().memory(256 << 20).processes(16).create().await?;
//!     let output = sandbox.command("sort").stdin("b\na\n").timeout(Duration::from_secs(5)).output().await?;
//!     println!("{} after {:?}: {}", output.status, output.elapsed, output.stdout_text());
//!     sandbox.close().await
//! }
//!
//! mimobox_guest::main!(run);
//! # fn main() {}
//! ```
//!
//! Every target counts the same: `wasm32-wasip2` and `wasm32-unknown-unknown` give components that behave alike, as long
//! as a program takes [time](clock), [randomness](random) and [printing](print) from here and not from std, which on
//! the second of them has no clock and prints to nowhere.
//!
//! All is async and runs on one thread. Dropping a future gives up on what it waits for, and dropping a handle ends what it
//! stands for: a [`Sandbox`] is destroyed, a [`Process`] killed.

#[doc(hidden)]
#[allow(missing_docs, unused_qualifications, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        world: "mimobox:guest-rust/guest",
        path: ["../../wit/host", "wit"],
        pub_export_macro: true,
        generate_all,
        additional_derives: [PartialEq, Eq],
        additional_derives_ignore: ["response", "stream-error"],
    });
}

pub mod clock;
mod command;
mod concurrency;
mod error;
pub mod files;
pub mod http;
pub mod log;
mod outcome;
#[doc(hidden)]
pub mod print;
mod process;
pub mod random;
mod sandbox;
pub mod snapshot;
mod streams;
pub mod terminal;
pub mod timer;

pub use command::{Command, ExitStatus, Output, Stdin};
pub use concurrency::run_all;
pub use error::{Error, Result};
pub use outcome::Outcome;
pub use process::{Event, Process, ProcessInfo, Signal};
pub use sandbox::{EgressRule, Enforcement, EnforcementStatus, Isolation, Sandbox, SandboxBuilder, Usage};
pub use streams::{ByteReader, ByteWriter, Items, Lines};

/// Makes a component of an `async fn(Vec<String>)` that gives anything of [`Outcome`]. Once a crate, in its root.
#[macro_export]
macro_rules! main {
    ($run:path) => {
        #[doc(hidden)]
        struct OrchestratorComponent;

        impl $crate::bindings::Guest for OrchestratorComponent {
            async fn run(arguments: ::std::vec::Vec<::std::string::String>) -> ::std::result::Result<u8, ::std::string::String> {
                $crate::Outcome::report($run(arguments).await)
            }
        }

        $crate::bindings::export!(OrchestratorComponent with_types_in $crate::bindings);
    };
}
