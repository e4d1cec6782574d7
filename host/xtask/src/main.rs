//! Tasks of the repository that cargo alone does not do: `cargo xtask <task>`.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "xtask runs the machine's own tools, and a terminal is all the interface it has"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod apt;
mod base_image;
mod build;
mod cache;
mod guests;
mod judge_image;
mod kernel;
mod machine;
mod microvm;
mod process;
mod progress;
mod stages;
mod tasks;
mod workspace;

/// Tasks of the mimobox-host repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Get what the machine lacks, build everything, and let the judge run untrusted programs.
    Demo {
        /// For the judge, such as --json
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Get what the machine lacks, build everything, and pass every test.
    Test,
    /// Check format and lints alone.
    Check,
    /// Measure, each figure beside its peer.
    Bench {
        /// For the bench, such as names of figures
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Build the guest components and check what each imports.
    Guests(guests::Options),
    /// Build the kernel that runs in microVMs, or take the one that is kept.
    Kernel,
    /// Build the root that microVMs start from: busybox and the agent.
    BaseImage,
    /// Unpack a root with all that the judge's submissions want, to be imported as an image.
    JudgeImage,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Demo { arguments } => tasks::demo(&arguments),
        Task::Test => tasks::test().map(|()| ExitCode::SUCCESS),
        Task::Check => tasks::check().map(|()| ExitCode::SUCCESS),
        Task::Bench { arguments } => tasks::bench(&arguments).map(|()| ExitCode::SUCCESS),
        Task::Guests(options) => guests::build(&options).map(|built| {
            println!("{built}");
            ExitCode::SUCCESS
        }),
        Task::BaseImage => tasks::base_image().map(|()| ExitCode::SUCCESS),
        Task::JudgeImage => tasks::judge_image().map(|()| ExitCode::SUCCESS),
        Task::Kernel => tasks::kernel().map(|()| ExitCode::SUCCESS),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
