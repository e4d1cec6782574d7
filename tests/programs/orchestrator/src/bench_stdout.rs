//! Reads so many bytes from a command. Prints the nanoseconds from its start to its end.

use mimobox_guest::clock::Instant;
use mimobox_guest::{Sandbox, println};

use crate::Ended;
use crate::arguments::Arguments;

pub(crate) async fn run(mut arguments: Arguments) -> Ended {
    let bytes: u64 = arguments.next("number of bytes")?;
    let sandbox = Sandbox::builder().create().await?;
    let since = Instant::now();
    let head = sandbox.command("head").args(["-c", &bytes.to_string(), "/dev/zero"]).spawn().await?;
    let (mut stdout, mut received) = (head.stdout(), 0);
    while let Some(chunk) = stdout.next().await? {
        received += chunk.len() as u64;
    }
    head.wait().await?;
    let elapsed = since.elapsed();
    if received != bytes {
        return Err(format!("only {received} bytes came").into());
    }
    println!("{}", elapsed.as_nanos());
    Ok(0)
}
