//! Sends so many MiB through `cat` and compares what comes back, byte for byte.

use futures::future;
use mimobox_guest::{ByteWriter, Sandbox, Stdin, println};

use crate::Ended;
use crate::arguments::Arguments;
use crate::numbers::{CHUNK, Numbers, compare};

const CHUNKS_OF_A_MEBIBYTE: usize = 16;

pub(crate) async fn run(mut arguments: Arguments) -> Ended {
    let chunks = arguments.next::<usize>("number of MiB")? * CHUNKS_OF_A_MEBIBYTE;
    let sandbox = Sandbox::builder().create().await?;
    let mut cat = sandbox.command("cat").stdin(Stdin::Piped).spawn().await?;
    let stdin = cat.stdin().ok_or("there is no standard input")?;
    // Both at once: `cat` reads no more while nobody takes what it has written.
    let (sent, received) = future::join(send(stdin, chunks), compare(cat.stdout())).await;
    sent?;
    let received = received?;
    if received != chunks * CHUNK {
        return Err(format!("{received} bytes came back").into());
    }
    let status = cat.wait().await?;
    println!("{received} bytes ok, {status}");
    Ok(0)
}

async fn send(mut stdin: ByteWriter, chunks: usize) -> mimobox_guest::Result<()> {
    let mut numbers = Numbers::new();
    for _ in 0..chunks {
        stdin.write(numbers.bytes(CHUNK)).await?;
    }
    Ok(())
}
