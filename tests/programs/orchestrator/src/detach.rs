//! Leaves a command alone and comes back to it.

use mimobox_guest::{Sandbox, Stdin, println};

use crate::Ended;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    let mut cat = sandbox.command("cat").stdin(Stdin::Piped).spawn().await?;
    // It runs for as long as this is open, so it is sure to be there when it is attached to.
    let mut stdin = cat.stdin().ok_or("there is no standard input")?;
    stdin.write("hello\n").await?;
    let id = cat.detach();
    let process = sandbox.attach(id).await?;
    if let Err(error) = sandbox.attach(id).await {
        println!("attached twice: {error}");
    }
    drop(stdin);
    println!("stdout: {:?}", String::from_utf8_lossy(&process.stdout().collect().await?));
    println!("{}", process.wait().await?);
    if let Err(error) = sandbox.attach(id + 1).await {
        println!("attached to nothing: {error}");
    }
    Ok(0)
}
