//! Running the machine's tools, with errors that say which tool and what it said.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs it with the terminal as its own.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| failed_to_start(command))?;
    if !status.success() {
        bail!("{} ended with {status}", name(command));
    }
    Ok(())
}

/// Runs it and gives back its standard output; what it wrote to standard error is shown if it fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| failed_to_start(command))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}: {}", name(command), output.status, said.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} did not answer in UTF-8", name(command)))
}

fn failed_to_start(command: &Command) -> String {
    format!("failed to start {}", name(command))
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}
