//! Needs no more than sandboxes and commands: prints what a command says.

use mimobox_guest::{Error, Sandbox, print};

mimobox_guest::main!(run);

async fn run(_arguments: Vec<String>) -> Result<(), Error> {
    let sandbox = Sandbox::builder().create().await?;
    print!("{}", sandbox.command("echo").arg("hello").output().await?.stdout_text());
    sandbox.close().await
}
