//! Runs one command in a sandbox of its own, as env(1) would: variables may stand before the program.

use mimobox_guest::{Error, ExitStatus, Sandbox, eprint, print, println};

use crate::Ended;
use crate::arguments::Arguments;

/// As a shell has it: what was denied, what timed out, and a signal's number on top of this.
const DENIED: u8 = 126;
const TIMED_OUT: u8 = 124;
const SIGNALED: u8 = 128;
/// What the kernel ends a process with that has used up its memory.
const KILL: u8 = 9;

pub(crate) async fn run(arguments: Arguments) -> Ended {
    match execute(arguments.rest()).await {
        Err(Error::Denied { rule, .. }) => {
            println!("denied {rule}");
            Ok(DENIED)
        }
        ended => Ok(ended?),
    }
}

async fn execute(words: Vec<String>) -> Result<u8, Error> {
    let variables = words.iter().take_while(|word| word.contains('=')).count();
    let mut words = words.into_iter();
    let environment: Vec<String> = words.by_ref().take(variables).collect();

    let sandbox = Sandbox::builder().create().await?;
    let mut command = sandbox.command(words.next().unwrap_or_default()).args(words);
    for variable in &environment {
        let (name, value) = variable.split_once('=').unwrap_or_default();
        command = command.env(name, value);
    }
    let output = command.output().await?;
    print!("{}", output.stdout_text());
    eprint!("{}", output.stderr_text());
    sandbox.close().await?;
    Ok(match output.status {
        ExitStatus::Exited(code) => code,
        ExitStatus::Signaled(signal) => SIGNALED.saturating_add(signal),
        ExitStatus::TimedOut => TIMED_OUT,
        ExitStatus::OutOfMemory => SIGNALED + KILL,
    })
}
