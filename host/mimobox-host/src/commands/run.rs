//! `mimobox-host run`: a component that makes and drives sandboxes, from its file to its exit code.

use std::borrow::Cow;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use mimobox_component::{Component, Invocation, RunError, RunLimits, Runner, Sink, Stdio};
use mimobox_sandbox::{Policy, Subject};
use serde::Serialize;

use crate::capture::Capture;
use crate::cli::{GlobalArguments, RunArguments};
use crate::components::{Components, Named};
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::{ErrorReport, Failure, Outcome};
use crate::host::{self, Host};
use crate::interrupt::{Interrupted, Interrupts};
use crate::output;
use crate::payload::Payload;

/// Loads the component and its policies, runs it, and leaves nothing behind.
pub(super) async fn run(global: &GlobalArguments, mut config: Config, arguments: RunArguments) -> Outcome {
    host::declare(&mut config, &arguments.additions)?;
    let Loaded { name, component, runner, policies } = load(&config, &arguments.component).await?;
    let mut interrupts = Interrupts::listen().context("failed to listen for signals")?;
    let host = Host::assemble(&config, policies)?;

    let subject =
        Subject { component: name.clone(), digest: component.digest().to_owned(), ..Subject::default() };
    let destination =
        if global.json { Destination::captured(host.ceiling.output) } else { Destination::Ours };
    let defaults = RunLimits::default();
    let invocation = Invocation {
        arguments: arguments.arguments,
        stdio: destination.stdio(),
        limits: RunLimits { time: arguments.timeout.map_or(defaults.time, |timeout| timeout.0), ..defaults },
    };
    let since = Instant::now();
    let ended = match interrupts.during(runner.run(host.manager.begin(subject), invocation)).await {
        Ok(ended) => ended,
        Err(Interrupted(signal)) => {
            // What it made is being destroyed. A second signal is our end.
            let _ = interrupts.during(host.emptied()).await;
            return Ok(Exit::Interrupted(signal));
        }
    };
    output::remark_to_person(format_args!("audit log: {}", host.audit.path().display()));
    let outcome = outcome(ended, &name);
    let Destination::Captured { stdout, stderr } = destination else { return outcome };
    let exit = outcome.as_ref().map_or_else(Failure::exit, |exit| *exit);
    output::show_json(&Report {
        component: &name,
        digest: component.digest(),
        exit_code: exit.code(),
        error: outcome.err().map(|failure| failure.as_data()),
        stdout: Payload(&stdout.take()),
        stderr: Payload(&stderr.take()),
        elapsed: since.elapsed().as_secs_f64(),
        audit: host.audit.path().to_string_lossy(),
    })?;
    Ok(exit)
}

struct Loaded {
    name: String,
    component: Component,
    runner: Runner,
    policies: Vec<Arc<dyn Policy>>,
}

/// Everything that can be refused before there is anything to end.
async fn load(config: &Config, component: &str) -> Outcome<Loaded> {
    let named = Named::find(config, component)?;
    let component = named.read()?;
    let components = Components::new()?;
    let policies = components.policies(&config.policies).await?;
    let runner = components.runner(&named, &component).await?;
    Ok(Loaded { name: named.name, component, runner, policies })
}

fn outcome(ended: Result<u8, RunError>, component: &str) -> Outcome {
    if let Err(RunError::Trapped(trap) | RunError::OutOfMemory { trap, .. }) = &ended {
        tracing::info!(component, "the component's calls:\n{}", trap.trace());
    }
    ended.map(Exit::Component).map_err(|error| Failure::of_run(error, component))
}

/// Where the component's output goes.
enum Destination {
    /// To our own standard output and error.
    Ours,
    /// Into the report.
    Captured { stdout: Capture, stderr: Capture },
}

impl Destination {
    /// Keeps `limit` bytes of each stream.
    fn captured(limit: u64) -> Self {
        Self::Captured { stdout: Capture::new(limit), stderr: Capture::new(limit) }
    }

    fn stdio(&self) -> Stdio {
        match self {
            Self::Ours => Stdio {
                stdout: Sink::new(tokio::io::stdout(), io::stdout().is_terminal()),
                stderr: Sink::new(tokio::io::stderr(), io::stderr().is_terminal()),
            },
            Self::Captured { stdout, stderr } => {
                Stdio { stdout: Sink::new(stdout.clone(), false), stderr: Sink::new(stderr.clone(), false) }
            }
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    component: &'a str,
    digest: &'a str,
    exit_code: u8,
    /// Why there is no exit code of the component's own.
    error: Option<ErrorReport>,
    stdout: Payload<'a>,
    stderr: Payload<'a>,
    /// Seconds, from the start to the end; compiling is not in it.
    elapsed: f64,
    /// Where the audit log is.
    audit: Cow<'a, str>,
}
