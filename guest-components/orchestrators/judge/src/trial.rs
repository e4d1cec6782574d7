//! One program in a sandbox of its own.

use mimobox_guest::clock::Instant;
use mimobox_guest::{Command, Error, Result, Sandbox};

use crate::arguments::Arguments;
use crate::capture::{self, Capture};
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
    try_to_run(submission, arguments).await.unwrap_or_else(|error| Finding {
        outcome: error.into(),
        elapsed: started.elapsed(),
        stdout: String::new(),
        first_line: String::new(),
    })
}

async fn try_to_run(submission: &Submission, arguments: &Arguments) -> Result<Finding> {
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
        Method::Start => judge(sandbox.command(submission.path()), arguments).await,
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
) -> Result<Finding> {
    let (program, options) = interpreter.split_first().ok_or(Error::NotFound)?;
    judge(sandbox.command(program).args(options).arg(submission.path()), arguments).await
}

async fn compile_and_start(
    sandbox: &Sandbox,
    submission: &Submission,
    arguments: &Arguments,
) -> Result<Finding> {
    let compiler = sandbox.command("cc").args(["-O2", "-o", COMPILED]).arg(submission.path());
    let compiled = capture::run(compiler.timeout(arguments.timeout)).await?;
    match compiled.status {
        Some(status) if status.success() => judge(sandbox.command(COMPILED), arguments).await,
        Some(status) => Ok(finding(Outcome::not_compiled(status), &compiled)),
        None => Ok(finding(Outcome::output_limit(), &compiled)),
    }
}

async fn judge(command: Command<'_>, arguments: &Arguments) -> Result<Finding> {
    let captured = capture::run(command.timeout(arguments.timeout)).await?;
    let outcome = captured.status.map_or_else(Outcome::output_limit, Outcome::from);
    Ok(finding(outcome, &captured))
}

fn finding(outcome: Outcome, captured: &Capture) -> Finding {
    Finding {
        outcome,
        elapsed: captured.elapsed,
        stdout: captured.output.stdout(),
        first_line: printable(&captured.output.first_line()),
    }
}
