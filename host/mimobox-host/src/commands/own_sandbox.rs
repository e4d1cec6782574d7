//! A sandbox for one command of the command line: made for it, and gone with it.

use anyhow::Context;
use mimobox_sandbox::{
    Access, Command, Enforcement, Error, Limits, Mount, Run, Sandbox, SnapshotId, Spec, Subject,
};

use crate::cli::{ProcessArguments, SandboxArguments};
use crate::commands::{image, snapshot};
use crate::components::Components;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::host::{self, Host};
use crate::interrupt::{Interrupted, Interrupts};
use crate::output::{self, Table};

/// Where a volume of the command line is mounted: below this, by its name.
const MOUNT_POINT: &str = "/mnt";

/// Makes a sandbox, does `work` with it, and leaves nothing behind, whatever ends it.
pub(super) async fn with(
    mut config: Config,
    arguments: &SandboxArguments,
    work: impl AsyncFnOnce(&Host, &Run, &Sandbox) -> Outcome,
) -> Outcome {
    host::declare(&mut config, &arguments.additions)?;
    let policies = match config.policies.as_slice() {
        // WebAssembly is not even set up for nobody.
        [] => Vec::new(),
        settings => Components::new()?.policies(settings).await?,
    };
    let mut interrupts = Interrupts::listen().context("failed to listen for signals")?;
    let host = Host::assemble(&config, policies)?;
    let run = host.manager.begin(Subject { component: host::NAME.into(), ..Subject::default() });
    let done =
        interrupts.during(async { work(&host, &run, &make(&host, &run, arguments).await?).await }).await;
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

/// What the command line says to run: its first word is the program.
pub(super) fn command(words: &[String], arguments: &ProcessArguments) -> Command {
    Command {
        environment: arguments.env.clone(),
        directory: arguments.directory.clone(),
        user: arguments.user.clone(),
        timeout: arguments.timeout.map(|timeout| timeout.0),
        ..Command::new(words.first().map_or("", String::as_str)).arguments(words.iter().skip(1))
    }
}

async fn make(host: &Host, run: &Run, arguments: &SandboxArguments) -> Outcome<Sandbox> {
    let spec = spec(arguments, host)?;
    let made = match &arguments.restore {
        None => run.create(spec).await,
        Some(id) => restore(run, id, spec).await,
    };
    let sandbox = made.map_err(|error| match arguments {
        SandboxArguments { restore: Some(id), .. } if error == Error::NotFound => snapshot::missing(id),
        SandboxArguments { image: Some(image), .. } if error == Error::NotFound => image::missing(image),
        _ => Failure::of_sandbox(error, "failed to make a sandbox"),
    })?;
    if arguments.enforcement {
        output::remark(enforcement_table(sandbox.enforcement()));
    }
    Ok(sandbox)
}

async fn restore(run: &Run, id: &SnapshotId, spec: Spec) -> Result<Sandbox, Error> {
    run.restore(&run.open_snapshot(id).await?, Some(spec)).await
}

fn spec(arguments: &SandboxArguments, host: &Host) -> Outcome<Spec> {
    let mounts = arguments.additions.volume.iter().map(|volume| mount(&volume.name, host));
    Ok(Spec {
        isolation: arguments.isolation,
        image: arguments.image.clone(),
        limits: Limits {
            memory: arguments.memory.map(|size| size.0),
            cpu: arguments.cpu.map(|cores| cores.0),
            processes: arguments.processes,
            disk: arguments.disk.map(|size| size.0),
        },
        mounts: mounts.collect::<Outcome<_>>()?,
        labels: arguments.label.clone(),
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
