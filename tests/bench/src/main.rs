//! Measures what README promises, each figure beside its peer.
//!
//! Contenders of one figure run in turns, so that a noisy machine is noisy for all of them; what counts is the ratio of
//! their medians. Nothing here is a test: a figure is read by people.

#![allow(clippy::print_stdout, reason = "a table on standard output is all that it is for")]
#![allow(clippy::disallowed_methods, reason = "peers are programs of the machine")]

use anyhow::{Context, Result, bail};
use clap::Parser;
use mimobox_harness::OsHost;
use mimobox_sandbox::fake;

mod figures;
mod machine;
mod microvm;
mod race;

use figures::{Bench, FIGURES};

/// As many as a host has that nobody has configured.
const RESERVE: usize = 2;

/// Measures each figure beside its peer, in one interleaved run.
#[derive(Parser)]
struct Arguments {
    /// Only these figures; all where none is named
    figures: Vec<String>,
    /// Turns of each contender
    #[arg(long, default_value_t = 200)]
    turns: u32,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(unknown) =
        arguments.figures.iter().find(|name| !FIGURES.iter().any(|figure| figure.name == **name))
    {
        let known: Vec<_> = FIGURES.iter().map(|figure| figure.name).collect();
        bail!("no figure {unknown:?}; there are: {}", known.join(", "));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let _entered = runtime.enter();
    let mut ceiling = fake::ceiling();
    ceiling.lifetime = std::time::Duration::from_secs(3600);
    let host = OsHost::try_start(|config| config.reserve = RESERVE, |parts| parts.ceiling = ceiling)
        .context("this machine lacks what a sandbox takes")?;
    let bench = Bench { runtime: &runtime, host: &host, turns: arguments.turns };
    println!("{}", machine::description());
    for figure in FIGURES {
        if arguments.figures.is_empty() || arguments.figures.iter().any(|name| name == figure.name) {
            println!("\n{} · {}", figure.name, figure.about);
            (figure.measure)(&bench).with_context(|| format!("failed to measure {}", figure.name))?;
        }
    }
    Ok(())
}
