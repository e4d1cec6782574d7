//! Drops one of two processes, then their sandbox, and prints what that does to each.

use std::time::Duration;

use mimobox_guest::{Sandbox, Signal, println, timer};

use crate::Ended;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    let dropped = sandbox.command("sleep").arg("3600").spawn().await?;
    let kept = sandbox.command("sleep").arg("3600").spawn().await?;
    println!("{} processes", sandbox.processes().await?.len());

    drop(dropped);
    // It is killed in its own time, which ends before this does.
    while sandbox.processes().await?.len() > 1 {
        timer::sleep(Duration::from_millis(1)).await;
    }
    println!("{} processes", sandbox.processes().await?.len());

    drop(sandbox);
    match kept.wait().await {
        Err(error) => println!("process: {error}"),
        Ok(status) => println!("process: {status}"),
    }
    match kept.signal(Signal::Terminate).await {
        Err(error) => println!("signal: {error}"),
        Ok(()) => println!("signal: sent"),
    }
    Ok(0)
}
