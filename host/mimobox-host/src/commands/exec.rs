//! `mimobox-host exec`: one program in a sandbox of its own.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use anyhow::Context;
use mimobox_sandbox::{Enforcement, ExitStatus, Process, Run, Sandbox, Snapshot};
use serde::Serialize;

use crate::cli::{ExecArguments, GlobalArguments};
use crate::commands::own_sandbox;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::host::Host;
use crate::output;
use crate::payload::Payload;
use crate::streams::{self, Gathered, PassedOn};

/// What a write to a pipe without a reader gets (pipe(7)).
const SIGPIPE: u8 = 13;

/// Makes a sandbox, runs the program to its end, and leaves nothing behind.
pub(super) async fn exec(global: &GlobalArguments, config: Config, arguments: ExecArguments) -> Outcome {
    let json = global.json;
    own_sandbox::with(config, &arguments.sandbox, async |host, run, sandbox| {
        in_sandbox(host, run, sandbox, &arguments, json).await
    })
    .await
}

async fn in_sandbox(
    host: &Host,
    run: &Run,
    sandbox: &Sandbox,
    arguments: &ExecArguments,
    json: bool,
) -> Outcome {
    let since = Instant::now();
    let failed = |error| Failure::of_command(error, format_args!("failed to run `{}`", program(arguments)));
    let stdin = streams::standard_input(arguments.interactive);
    let process = sandbox
        .spawn(own_sandbox::command(&arguments.command, &arguments.process), stdin)
        .await
        .map_err(failed)?;
    // From here on a failure drops the process, which kills it.
    let process = KillOnDrop(process);
    if !json {
        let passed = streams::pass_on(&process.0).await.context("failed to pass the program's output on")?;
        if passed == PassedOn::ReaderGone {
            return Ok(Exit::Interrupted(SIGPIPE));
        }
        let status = process.0.wait().await.map_err(failed)?;
        if matches!(status, ExitStatus::TimedOut | ExitStatus::OutOfMemory) {
            output::remark_to_person(format_args!("`{}`: {status}", program(arguments)));
        }
        if let Some(snapshot) = save(run, sandbox, arguments).await? {
            output::remark(format_args!("snapshot {}", snapshot.id()));
        }
        return Ok(Exit::Program(status));
    }
    let gathered = streams::gather(&process.0, host.ceiling.output).await.map_err(failed)?;
    let status = process.0.wait().await.map_err(failed)?;
    let elapsed = since.elapsed();
    let snapshot = save(run, sandbox, arguments).await?;
    let snapshot = snapshot.as_ref().map(|snapshot| snapshot.id().as_str());
    output::show_json(&Report { snapshot, ..Report::new(status, elapsed, &gathered, sandbox, host) })?;
    Ok(Exit::Program(status))
}

/// Saves the sandbox, if that is asked for.
async fn save(run: &Run, sandbox: &Sandbox, arguments: &ExecArguments) -> Outcome<Option<Snapshot>> {
    if !arguments.save {
        return Ok(None);
    }
    let taken = run.take_snapshot(sandbox).await;
    taken.map(Some).map_err(|error| Failure::of_sandbox(error, "failed to save the sandbox"))
}

struct KillOnDrop(Process);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

fn program(arguments: &ExecArguments) -> &str {
    // The parser asks for one at least.
    arguments.command.first().map_or("", String::as_str)
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    status: ExitStatus,
    exit_code: u8,
    stdout: Payload<'a>,
    stderr: Payload<'a>,
    /// Seconds, from the request to the end; making the sandbox is not in it.
    elapsed: f64,
    sandbox: &'a str,
    /// The id of what `--save` saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<&'a str>,
    enforcement: &'a [Enforcement],
    /// Where the audit log is.
    audit: Cow<'a, str>,
}

impl<'a> Report<'a> {
    fn new(
        status: ExitStatus,
        elapsed: Duration,
        gathered: &'a Gathered,
        sandbox: &'a Sandbox,
        host: &'a Host,
    ) -> Self {
        Self {
            status,
            exit_code: Exit::Program(status).code(),
            stdout: Payload(&gathered.stdout),
            stderr: Payload(&gathered.stderr),
            elapsed: elapsed.as_secs_f64(),
            sandbox: sandbox.id().as_str(),
            snapshot: None,
            enforcement: sandbox.enforcement(),
            audit: host.audit.path().to_string_lossy(),
        }
    }
}
