//! A sandbox under attack, with the host that made it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mimobox_confine::Plan;
use mimobox_harness::{OsHost, Requirement, met};
use mimobox_sandbox::{
    Ceiling, Command, Error, ExitStatus, Finished, Limits, Mount, Run, Sandbox, Spec, fake,
};
use tokio::runtime::{Builder, Runtime};

use crate::attempt::{Attempt, Outcome, copy_programs, open_to_everybody};

/// Bytes of a mebibyte.
pub const MIB: u64 = 1024 * 1024;

/// Where the programs are in a sandbox.
pub(crate) const PROGRAMS: &str = "/attempts";

/// How a sandbox is made.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// How much it may use; little, by default.
    pub limits: Limits,
    /// Whether the volume `scratch`, which can be written, is at `/scratch`; and what is put there first.
    pub scratch: Option<fn(&Path)>,
    /// What is done to its plan.
    pub change: fn(&mut Plan),
    /// How much output of a command is gathered, in bytes.
    pub output: u64,
}

impl Default for Conditions {
    fn default() -> Self {
        Self { limits: Limits::default(), scratch: None, change: |_| {}, output: MIB }
    }
}

/// A sandbox, and a host of its own.
pub struct Confined {
    runtime: Runtime,
    sandbox: Sandbox,
    run: Option<Run>,
    host: OsHost,
}

impl Confined {
    /// As everybody gets it; none where the machine lacks what it takes.
    pub fn start() -> Option<Self> {
        Self::with(&Conditions::default())
    }

    /// Made under these conditions; none where the machine lacks what it takes. Controls take root, so attempts do too.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn with(conditions: &Conditions) -> Option<Self> {
        if !met(Requirement::Root) {
            return None;
        }
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let ceiling = Ceiling { output: conditions.output, ..fake::ceiling() };
        let in_runtime = runtime.enter();
        let host = OsHost::prepared(ceiling, Vec::new(), |backend| backend.weaken(conditions.change))?;
        copy_programs(&host.volume("fixtures"));
        if let Some(prepare) = conditions.scratch {
            open_to_everybody(&host.volume("scratch"));
            prepare(&host.volume("scratch"));
        }
        let run = host.run();
        let sandbox = runtime.block_on(run.create(spec(conditions))).unwrap();
        drop(in_runtime);
        Some(Self { runtime, sandbox, run: Some(run), host })
    }

    /// One more sandbox of the same host.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn neighbour(&self, conditions: &Conditions) -> Sandbox {
        self.runtime.block_on(self.run().create(spec(conditions))).unwrap()
    }

    /// Makes the attempt in it.
    ///
    /// # Panics
    /// The program is broken.
    pub fn attempt(&self, attempt: &Attempt) -> Outcome {
        self.attempt_in(&self.sandbox, attempt)
    }

    /// Makes the attempt in a [`Confined::neighbour`].
    ///
    /// # Panics
    /// The program is broken.
    pub fn attempt_in(&self, sandbox: &Sandbox, attempt: &Attempt) -> Outcome {
        let words = attempt.command_line(PROGRAMS.as_ref());
        let mut words = words.into_iter().map(|word| word.into_string().unwrap());
        let command = Command::new(words.next().unwrap()).arguments(words);
        let finished = self.execute(sandbox, command).unwrap();
        let code = match finished.status {
            ExitStatus::Exited(code) => Some(i32::from(code)),
            // The kernel chose the attempt itself rather than the child that did the work.
            ExitStatus::OutOfMemory => return Outcome::Stopped("OutOfMemory".to_owned()),
            _ => None,
        };
        attempt.outcome(&format!("{:?}", finished.status), code, &finished.stdout, &finished.stderr)
    }

    /// Runs a shell script in it.
    ///
    /// # Errors
    /// Those of `execute`.
    pub fn sh(&self, script: &str) -> Result<Finished, Error> {
        self.execute(&self.sandbox, Command::new("sh").arguments(["-c", script]))
    }

    /// What a shell script prints that succeeds.
    ///
    /// # Panics
    /// It does not.
    pub fn said(&self, script: &str) -> String {
        let finished = self.sh(script).unwrap();
        let stderr = String::from_utf8_lossy(&finished.stderr);
        assert_eq!(finished.status, ExitStatus::Exited(0), "{script}: {stderr}");
        String::from_utf8_lossy(&finished.stdout).trim_end().to_owned()
    }

    fn execute(&self, sandbox: &Sandbox, mut command: Command) -> Result<Finished, Error> {
        command.timeout = Some(Duration::from_secs(60));
        self.runtime.block_on(sandbox.execute(command, Vec::new()))
    }

    /// Its run.
    pub fn run(&self) -> &Run {
        self.run.as_ref().unwrap()
    }

    /// The sandbox itself.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Does something with it that takes a runtime.
    pub fn wait<F: Future>(&self, work: F) -> F::Output {
        self.runtime.block_on(work)
    }

    /// The host's folder of a volume: `fixtures` is at `/attempts`, `scratch` at `/scratch` if it was asked for.
    pub fn volume(&self, name: &str) -> PathBuf {
        self.host.volume(name)
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        if let Some(run) = self.run.take() {
            self.runtime.block_on(run.end()).unwrap();
        }
    }
}

fn spec(conditions: &Conditions) -> Spec {
    let mount = |volume: &str, target: &str, read_only| Mount {
        volume: volume.to_owned(),
        target: target.to_owned(),
        read_only,
    };
    let mut mounts = vec![mount("fixtures", PROGRAMS, true)];
    if conditions.scratch.is_some() {
        mounts.push(mount("scratch", "/scratch", false));
    }
    Spec { limits: conditions.limits, mounts, ..Spec::default() }
}
