//! So many sandboxes at once, each with a command of its own. Prints what each said.

use mimobox_guest::{Sandbox, println, run_all};

use crate::Ended;
use crate::arguments::Arguments;

pub(crate) async fn run(mut arguments: Arguments) -> Ended {
    let count = arguments.next("number of sandboxes")?;
    for said in run_all(count, (0..count).map(say)).await {
        println!("{}", said?.trim_end());
    }
    Ok(0)
}

async fn say(number: usize) -> mimobox_guest::Result<String> {
    let sandbox = Sandbox::builder().create().await?;
    let output = sandbox.command("echo").arg(number.to_string()).output().await?;
    sandbox.close().await?;
    Ok(output.stdout_text())
}
