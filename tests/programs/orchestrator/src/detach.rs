//! Leaves a command alone and comes back to it.

use mimobox_guest::{Sandbox, println};

use crate::Ended;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    let id = sandbox.command("echo").arg("hello").spawn().await?.detach();
    let process = sandbox.attach(id).await?;
    if let Err(error) = sandbox.attach(id).await {
        println!("attached twice: {error}");
    }
    println!("stdout: {:?}", String::from_utf8_lossy(&process.stdout().collect().await?));
    println!("{}", process.wait().await?);
    if let Err(error) = sandbox.attach(id + 1).await {
        println!("attached to nothing: {error}");
    }
    Ok(0)
}
