//! Tasks of the repository that cargo alone does not do: `cargo xtask <task>`.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "xtask runs the machine's own tools, and a terminal is all the interface it has"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod guests;

/// Tasks of the mimobox-host repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the guest components and check what each imports.
    Guests(guests::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Guests(options) => guests::build(&options).map(|built| println!("{built}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
