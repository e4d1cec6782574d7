//! `mimobox-host doctor`: what this machine has, and a sandbox made on it to prove it.

use std::fmt;
use std::time::Instant;

use anyhow::Context;
use mimobox_backend_os::findings;
use mimobox_sandbox::{Command, ExitStatus, Spec, Subject};
use serde::Serialize;

use crate::cli::GlobalArguments;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::host::{self, Host};
use crate::output;
use crate::telemetry::colours;

mod micro_vm;

/// Looks at every mechanism, then makes a sandbox: the answer is whether that worked.
pub(super) async fn doctor(global: &GlobalArguments, config: &Config) -> Outcome {
    let trial = match try_sandbox(config).await {
        Ok(detail) => Check { present: true, detail, ..TRIAL },
        Err(error) => Check { detail: format!("{error:#}"), ..TRIAL },
    };
    let works = trial.present;
    let mut checks: Vec<_> = findings().into_iter().map(Check::from).collect();
    checks.extend(micro_vm::checks(config).await);
    checks.push(trial);
    let report = Report { works, checks };
    if global.json {
        output::show_json(&report)?;
    } else {
        output::show(&report);
    }
    Ok(if works { Exit::Success } else { Exit::Failed })
}

/// What `--json` prints, and people read.
#[derive(Serialize)]
struct Report {
    /// Whether sandboxes of isolation `os` can be made.
    works: bool,
    checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Check {
    mechanism: &'static str,
    present: bool,
    /// Version, place, or why not.
    detail: String,
    /// What is missing without it.
    lost: &'static str,
    /// What would help.
    fix: &'static str,
}

const TRIAL: Check = Check {
    mechanism: "os-sandbox",
    present: false,
    detail: String::new(),
    lost: "`exec` and `run` have nothing to run programs in",
    fix: "see the lines above; run again with -v for the cause",
};

impl From<mimobox_backend_os::Finding> for Check {
    fn from(finding: mimobox_backend_os::Finding) -> Self {
        let mimobox_backend_os::Finding { mechanism, present, detail, lost, fix } = finding;
        Self { mechanism, present, detail, lost, fix }
    }
}

/// Makes a sandbox, runs a program in it, destroys it.
async fn try_sandbox(config: &Config) -> anyhow::Result<String> {
    let host = Host::assemble(config, Vec::new())?;
    let since = Instant::now();
    let run = host.manager.begin(Subject { component: host::NAME.into(), ..Subject::default() });
    let sandbox = run.create(Spec::default()).await.context("failed to make a sandbox")?;
    let finished = sandbox.execute(Command::new("true"), Vec::new()).await;
    let ended = run.end().await;
    let status = finished.context("failed to run `true`")?.status;
    anyhow::ensure!(status == ExitStatus::Exited(0), "`true` {status}");
    ended.context("failed to destroy the sandbox whole")?;
    let took = since.elapsed().as_secs_f64() * 1000.0;
    Ok(format!("made, used and destroyed in {took:.1} ms; audit log {}", host.audit.path().display()))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (green, red, plain) =
            if colours(&std::io::stdout()) { ("\x1b[32m", "\x1b[31m", "\x1b[0m") } else { ("", "", "") };
        let width = self.checks.iter().map(|check| check.mechanism.len()).max().unwrap_or(0);
        for Check { mechanism, present, detail, lost, fix } in &self.checks {
            if *present {
                writeln!(f, "{green}yes{plain}  {mechanism:width$}  {detail}")?;
            } else {
                let indent = width + 7;
                writeln!(f, "{red}no {plain}  {mechanism:width$}  {detail}")?;
                writeln!(f, "{:indent$}lost: {lost}\n{:indent$}fix:  {fix}", "", "")?;
            }
        }
        match self.works {
            true => writeln!(f, "\nSandboxes of isolation os can be made."),
            false => writeln!(f, "\n{red}No sandboxes can be made.{plain}"),
        }
    }
}
