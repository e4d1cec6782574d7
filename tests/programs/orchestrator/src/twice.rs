//! Takes what can be taken once a second time.

use mimobox_guest::{Sandbox, println};

use crate::Ended;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    let process = sandbox.command("echo").arg("hello").spawn().await?;
    let mut first = process.stdout();
    match process.stdout().collect().await {
        Err(error) => println!("stdout: {error}"),
        Ok(bytes) => println!("stdout: {} bytes", bytes.len()),
    }
    match process.events().next().await {
        Err(error) => println!("events: {error}"),
        Ok(event) => println!("events: {event:?}"),
    }
    while let Some(bytes) = first.next().await? {
        println!("first: {:?}", String::from_utf8_lossy(&bytes));
    }
    println!("{}", process.wait().await?);
    Ok(0)
}
