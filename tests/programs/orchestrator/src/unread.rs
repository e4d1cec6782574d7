//! Writes for ever to a command that reads nothing.

use mimobox_guest::{Sandbox, Stdin};

use crate::Ended;

const CHUNK: usize = 64 * 1024;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    let mut sleep = sandbox.command("sleep").arg("3600").stdin(Stdin::Piped).spawn().await?;
    let mut stdin = sleep.stdin().ok_or("there is no standard input")?;
    loop {
        stdin.write(vec![0; CHUNK]).await?;
    }
}
