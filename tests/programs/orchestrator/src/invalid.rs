//! Asks for what makes no sense, and prints each refusal.

use std::time::Duration;

use mimobox_guest::{Command, Sandbox, println};

use crate::Ended;

/// More than any command may have.
const MANY: usize = 10_000;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    let many = (0..MANY).map(|number| number.to_string());
    let longest = Duration::from_nanos(u64::MAX);

    refused("NUL in the program", sandbox.command("tr\0ue")).await?;
    refused("NUL in an argument", sandbox.command("echo").arg("\0")).await?;
    refused("NUL in a variable", sandbox.command("true").env("NAME", "a\0b")).await?;
    refused("equals sign in a name", sandbox.command("true").env("A=B", "")).await?;
    refused("no program", sandbox.command("")).await?;
    refused("10,000 arguments", sandbox.command("echo").args(many)).await?;
    refused("no time", sandbox.command("true").timeout(Duration::ZERO)).await?;
    refused("584 years", sandbox.command("true").timeout(longest)).await?;
    refused("relative directory", sandbox.command("true").current_dir("tmp")).await?;
    refused("directory as program", sandbox.command("/tmp")).await?;
    refused("not executable", sandbox.command("/etc/passwd")).await?;
    refused("not found", sandbox.command("/no/such/program")).await?;
    Ok(0)
}

async fn refused(what: &str, command: Command<'_>) -> Result<(), String> {
    match command.output().await {
        Err(error) => println!("{what}: {error}"),
        Ok(output) => return Err(format!("{what}: {}", output.status)),
    }
    Ok(())
}
