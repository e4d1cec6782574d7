//! Ends a command by a signal, and sends another to what has ended.

use mimobox_guest::{Sandbox, Signal, println};

use crate::Ended;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    let sleep = sandbox.command("sleep").arg("3600").spawn().await?;
    sleep.signal(Signal::Terminate).await?;
    println!("{}", sleep.wait().await?);
    match sleep.signal(Signal::Kill).await {
        Err(error) => println!("again: {error}"),
        Ok(()) => println!("again: sent"),
    }
    Ok(0)
}
