//! `mimobox-host exec`: one program in a sandbox of its own.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use anyhow::Context;
use mimobox_sandbox::{
    Access, Command, Enforcement, ExitStatus, Limits, Mount, Process, Run, Sandbox, Spec, Subject,
};
use serde::Serialize;

use crate::cli::{ExecArguments, GlobalArguments};
use crate::components::Components;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::host::{self, Host};
use crate::interrupt::{Interrupted, Interrupts};
use crate::output::{self, Table};
use crate::payload::Payload;
use crate::streams::{self, Gathered, PassedOn};

/// Where a volume of the command line is mounted: below this, by its name.
const MOUNT_POINT: &str = "/mnt";
/// What a write to a pipe without a reader gets (pipe(7)).
const SIGPIPE: u8 = 13;

/// Makes a sandbox, runs the program to its end, and leaves nothing behind.
pub(super) async fn exec(global: &GlobalArguments, mut config: Config, arguments: ExecArguments) -> Outcome {
    host::declare(&mut config, &arguments.additions)?;
    let policies = match config.policies.as_slice() {
        // WebAssembly is not even set up for nobody.
        [] => Vec::new(),
        settings => Components::new()?.policies(settings).await?,
    };
    let mut interrupts = Interrupts::listen().context("failed to listen for signals")?;
    let host = Host::assemble(&config, policies)?;
    let run = host.manager.begin(Subject { component: host::NAME.into(), ..Subject::default() });
    let done = interrupts.during(in_sandbox(&host, &run, &arguments, global.json)).await;
    let ended = interrupts.during(async {
        let ended = run.end().await;
        // A signal may have come while one was being made, which then is no run's yet.
        host.emptied().await;
        ended
    });
    match (done, ended.await) {
        (Err(Interrupted(signal)), _) | (Ok(Ok(_)), Err(Interrupted(signal))) => {
            Ok(Exit::Interrupted(signal))
        }
        (Ok(Ok(_)), Ok(Err(left))) => Err(Failure::of_sandbox(left, "failed to destroy the sandbox whole")),
        (Ok(done), _) => done,
    }
}

async fn in_sandbox(host: &Host, run: &Run, arguments: &ExecArguments, json: bool) -> Outcome {
    let made = run.create(spec(arguments, host)?).await;
    let sandbox = made.map_err(|error| Failure::of_sandbox(error, "failed to make a sandbox"))?;
    if arguments.enforcement {
        output::remark(enforcement_table(sandbox.enforcement()));
    }
    let since = Instant::now();
    let failed = |error| Failure::of_command(error, format_args!("failed to run `{}`", program(arguments)));
    let stdin = streams::standard_input(arguments.interactive);
    let process = sandbox.spawn(command(arguments), stdin).await.map_err(failed)?;
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
        return Ok(Exit::Program(status));
    }
    let gathered = streams::gather(&process.0, host.ceiling.output).await.map_err(failed)?;
    let status = process.0.wait().await.map_err(failed)?;
    output::show_json(&Report::new(status, since.elapsed(), &gathered, &sandbox, host))?;
    Ok(Exit::Program(status))
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

fn command(arguments: &ExecArguments) -> Command {
    Command {
        environment: arguments.env.clone(),
        directory: arguments.directory.clone(),
        timeout: arguments.timeout.map(|timeout| timeout.0),
        ..Command::new(program(arguments)).arguments(arguments.command.iter().skip(1))
    }
}

fn spec(arguments: &ExecArguments, host: &Host) -> Outcome<Spec> {
    let mounts = arguments.additions.volume.iter().map(|volume| mount(&volume.name, host));
    Ok(Spec {
        isolation: arguments.isolation,
        limits: Limits {
            memory: arguments.memory.map(|size| size.0),
            cpu: arguments.cpu.map(|cores| cores.0),
            processes: arguments.processes,
            disk: arguments.disk.map(|size| size.0),
        },
        mounts: mounts.collect::<Outcome<_>>()?,
        ..Spec::default()
    })
}

/// A volume with all the access that the operator gives.
fn mount(name: &str, host: &Host) -> Outcome<Mount> {
    let access = host.ceiling.volumes.get(name);
    let access = access.with_context(|| format!("no volume `{name}`: write --volume {name}=DIRECTORY"))?;
    Ok(Mount {
        volume: name.to_owned(),
        target: format!("{MOUNT_POINT}/{name}"),
        read_only: *access == Access::ReadOnly,
    })
}

fn enforcement_table(enforcement: &[Enforcement]) -> Table<3> {
    let row = |line: &Enforcement| [line.mechanism.to_string(), line.status.to_string(), line.detail.clone()];
    Table(enforcement.iter().map(row).collect())
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
            enforcement: sandbox.enforcement(),
            audit: host.audit.path().to_string_lossy(),
        }
    }
}
