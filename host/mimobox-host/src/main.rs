//! `mimobox-host`: untrusted programs in sandboxes, WebAssembly components that decide about them.
//!
//! ```text
//! cli ─► config ─► host (the parts together) ─► commands/{run, exec, shell, …} ─► exit
//!                   └ agent, images, components        └ interrupt, streams, terminal, output
//! ```
//!
//! The composition root: arguments, environment, folders and exit codes are read and chosen here and nowhere else.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

mod agent;
mod capture;
mod cli;
mod commands;
mod components;
mod config;
mod exit;
mod failure;
mod host;
mod images;
mod interrupt;
mod micro_vms;
mod output;
mod payload;
mod progress;
mod quantity;
mod streams;
mod telemetry;
mod terminal;

use cli::Arguments;
use exit::Exit;
use failure::Failure;

/// How long what is still under way at the end is waited for. Only a second signal leaves anything that takes so long.
const FAREWELL: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => return explain(&answer).into(),
    };
    telemetry::start(arguments.global.verbose);
    let json = arguments.global.json;
    match run(arguments) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if json && let Err(error) = output::show_json(&failure.report()) {
                output::error(error);
            }
            output::error(&failure);
            failure.exit().into()
        }
    }
}

fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(commands::dispatch(arguments));
    // What still holds a command's streams lets go of them, and the audit log has its end.
    runtime.shutdown_timeout(FAREWELL);
    done
}

/// Help and version are answers; anything else that the parser says is a wrong call, and no program's exit code.
fn explain(answer: &clap::Error) -> Exit {
    // Where it cannot be printed, the exit code is all that is left to say.
    let _ = answer.print();
    if answer.use_stderr() { Exit::HostError } else { Exit::Success }
}
