//! One program in a sandbox of its own.

use mimobox_guest::clock::Instant;
use mimobox_guest::{Command, Error, Output, Result, Sandbox};

use crate::arguments::Arguments;
use crate::method::Method;
use crate::outcome::{Finding, Outcome};
use crate::printable::printable;
use crate::submissions::{FOLDER, Submission, VOLUME};

const MEMORY: u64 = 256 << 20;
const DISK: u64 = 64 << 20;
const PROCESSES: u32 = 64;
/// Where a C program is compiled to.
const COMPILED: &str = "/home/sandbox/program";

/// Runs it to its end. Whatever goes wrong is the finding.
pub(crate) async fn run(submission: &Submission, arguments: &Arguments) -> Finding {
    let started = Instant::now();
    let (outcome, elapsed, stdout, stderr) = match try_to_run(submission, arguments).await {
        Ok((outcome, output)) => (outcome, output.elapsed, output.stdout_text(), output.stderr_text()),
        Err(error) => (error.into(), started.elapsed(), String::new(), String::new()),
    };
    let first_line = stdout.lines().chain(stderr.lines()).find(|line| !line.trim().is_empty());
    let first_line = printable(first_line.unwrap_or_default());
    Finding { outcome, elapsed, stdout, first_line }
}

async fn try_to_run(submission: &Submission, arguments: &Arguments) -> Result<(Outcome, Output)> {
    let sandbox = Sandbox::builder()
        .memory(MEMORY)
        .disk(DISK)
        .processes(PROCESSES)
        .mount(VOLUME, FOLDER)
        .label("submission", &submission.name)
        .create()
        .await?;
    let judged = match &submission.method {
        Method::Interpret(interpreter) => interpret(&sandbox, interpreter, submission, arguments).await,
        Method::Start => output(sandbox.command(submission.path()), arguments).await,
        Method::Compile => compile_and_start(&sandbox, submission, arguments).await,
    };
    // Destroyed here, not left to the drop, so that the next trial finds the machine free. How that went is for the
    // operator's log: it changes nothing of the finding.
    let _ = sandbox.close().await;
    judged
}

async fn interpret(
    sandbox: &Sandbox,
    interpreter: &[String],
    submission: &Submission,
    arguments: &Arguments,
) -> Result<(Outcome, Output)> {
    let (program, options) = interpreter.split_first().ok_or(Error::NotFound)?;
    output(sandbox.command(program).args(options).arg(submission.path()), arguments).await
}

async fn compile_and_start(
    sandbox: &Sandbox,
    submission: &Submission,
    arguments: &Arguments,
) -> Result<(Outcome, Output)> {
    let compiler = sandbox.command("cc").args(["-O2", "-o", COMPILED]).arg(submission.path());
    let compiled = compiler.timeout(arguments.timeout).output().await?;
    if !compiled.status.success() {
        return Ok((Outcome::not_compiled(compiled.status), compiled));
    }
    output(sandbox.command(COMPILED), arguments).await
}

async fn output(command: Command<'_>, arguments: &Arguments) -> Result<(Outcome, Output)> {
    let output = command.timeout(arguments.timeout).output().await?;
    Ok((output.status.into(), output))
}
