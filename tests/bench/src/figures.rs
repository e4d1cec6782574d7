//! The figures, by name.

use anyhow::{Context, Result};
use mimobox_harness::OsHost;
use tokio::runtime::Runtime;

mod ahead;
mod boots;
mod commands;
mod components;
mod streams;

/// What a figure has to measure with.
pub(crate) struct Bench<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) host: &'a OsHost,
    pub(crate) turns: u32,
}

/// One figure.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) measure: fn(&Bench<'_>) -> Result<()>,
}

/// All of them, in the order in which they are printed.
pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "cold", about: "create a sandbox, run true, destroy it", measure: commands::cold },
    Figure {
        name: "first",
        about: "the same where none is in reserve, as a host's first",
        measure: commands::first,
    },
    Figure { name: "warm", about: "run true in a live sandbox", measure: commands::warm },
    Figure {
        name: "command-line",
        about: "the whole program: mimobox-host exec -- true",
        measure: commands::command_line,
    },
    Figure { name: "pool", about: "take a ready sandbox, run true, destroy it", measure: ahead::pool },
    Figure { name: "hundred", about: "a hundred sandboxes, two at a time", measure: ahead::hundred },
    Figure { name: "fork", about: "ten copies of a sandbox with 16 MiB of files", measure: ahead::fork },
    Figure { name: "stdout", about: "read 256 MiB of standard output", measure: streams::stdout },
    Figure { name: "stdin", about: "write 256 MiB to standard input", measure: streams::stdin },
    Figure {
        name: "instantiate",
        about: "a run of a Rust component that does nothing",
        measure: components::instantiate,
    },
    Figure {
        name: "decision",
        about: "one decision of the policy allowlist, instance and all",
        measure: components::decision,
    },
    Figure {
        name: "wit",
        about: "execute true through a component, and straight on the library",
        measure: components::execute,
    },
    Figure {
        name: "wit-stdout",
        about: "read standard output through a component, and straight on the library",
        measure: components::stdout,
    },
    Figure {
        name: "boot",
        about: "boot a microVM to the first word of its first program",
        measure: boots::boot,
    },
];

/// Runs a program of this machine to its end.
fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let status = std::process::Command::new(program)
        .args(arguments)
        .status()
        .with_context(|| format!("failed to start {program}"))?;
    anyhow::ensure!(status.success(), "{program} ended with {status}");
    Ok(())
}
