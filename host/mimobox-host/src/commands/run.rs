//! `mimobox-host run`: a component that makes and drives sandboxes, from its file to its exit code.

use std::borrow::Cow;
use std::io::{self, IsTerminal};
use std::time::Instant;

use anyhow::Context;
use mimobox_component::{Invocation, RunError, RunLimits, Sink, Stdio};
use mimobox_sandbox::Subject;
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
    let named = Named::find(&config, &arguments.component)?;
    let component = named.read()?;
    let components = Components::new()?;
    let policies = components.policies(&config.policies).await?;
    let runner = components.runner(&named, &component).await?;

    let mut interrupts = Interrupts::listen().context("failed to listen for signals")?;
    let host = Host::assemble(&config, policies)?;
    let subject = Subject {
        component: named.name.clone(),
        digest: component.digest().to_owned(),
        ..Subject::default()
    };
    let (stdout, stderr) = (Capture::new(host.ceiling.output), Capture::new(host.ceiling.output));
    let stdio = if global.json { captured(&stdout, &stderr) } else { passed_on() };
    let defaults = RunLimits::default();
    let limits = RunLimits { time: arguments.timeout.map_or(defaults.time, |timeout| timeout.0), ..defaults };
    let since = Instant::now();
    let invocation = Invocation { arguments: arguments.arguments, stdio, limits };
    let ended = interrupts.during(runner.run(host.manager.begin(subject), invocation)).await;
    let ended = match ended {
        Ok(ended) => ended,
        Err(Interrupted(signal)) => {
            // What it made is being destroyed. A second signal is its end.
            let _ = interrupts.during(host.emptied()).await;
            return Ok(Exit::Interrupted(signal));
        }
    };
    output::remark_to_person(format_args!("audit log: {}", host.audit.path().display()));
    if let Err(RunError::Trapped(trap) | RunError::OutOfMemory { trap, .. }) = &ended {
        tracing::info!(component = named.name, "the component's calls:\n{}", trap.trace());
    }
    let outcome = match ended {
        Ok(code) => Ok(Exit::Component(code)),
        Err(error) => Err(Failure::of_run(error, &named.name)),
    };
    if global.json {
        let exit = outcome.as_ref().map_or_else(Failure::exit, |exit| *exit);
        output::show_json(&Report {
            component: &named.name,
            digest: component.digest(),
            exit_code: exit.code(),
            error: outcome.as_ref().err().map(Failure::as_data),
            stdout: Payload(&stdout.take()),
            stderr: Payload(&stderr.take()),
            elapsed: since.elapsed().as_secs_f64(),
            audit: host.audit.path().to_string_lossy(),
        })?;
        return Ok(exit);
    }
    outcome
}

fn passed_on() -> Stdio {
    Stdio {
        stdout: Sink::new(tokio::io::stdout(), io::stdout().is_terminal()),
        stderr: Sink::new(tokio::io::stderr(), io::stderr().is_terminal()),
    }
}

fn captured(stdout: &Capture, stderr: &Capture) -> Stdio {
    Stdio { stdout: Sink::new(stdout.clone(), false), stderr: Sink::new(stderr.clone(), false) }
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
