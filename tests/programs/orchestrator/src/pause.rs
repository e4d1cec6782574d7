//! Pauses a sandbox while a command waits for input, feeds it, and lets it go on.

use std::time::Duration;

use futures::future::{Either, select};
use mimobox_guest::{Sandbox, Stdin, println, timer};

use crate::Ended;

/// Long enough for `cat` to answer, were it not paused.
const SILENCE: Duration = Duration::from_millis(200);

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    let mut cat = sandbox.command("cat").stdin(Stdin::Piped).spawn().await?;
    let mut stdout = cat.stdout();
    let mut stdin = cat.stdin().ok_or("there is no standard input")?;

    sandbox.pause().await?;
    stdin.write("hello").await?;
    drop(stdin);
    let answer = match select(Box::pin(stdout.next()), Box::pin(timer::sleep(SILENCE))).await {
        Either::Left(_) => return Err("it answered while it was paused".into()),
        Either::Right((_, answer)) => answer,
    };
    println!("paused");
    sandbox.resume().await?;
    println!("{:?}", answer.await?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    println!("{}", cat.wait().await?);
    Ok(0)
}
