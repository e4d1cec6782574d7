//! Writes a file of so many MiB, reads it back, and compares, byte for byte.

use mimobox_guest::files::WriteOptions;
use mimobox_guest::{Sandbox, println};

use crate::Ended;
use crate::arguments::Arguments;
use crate::numbers::{CHUNK, Numbers, compare};

const CHUNKS_OF_A_MEBIBYTE: usize = 16;

pub(crate) async fn run(mut arguments: Arguments) -> Ended {
    let chunks = arguments.next::<usize>("number of MiB")? * CHUNKS_OF_A_MEBIBYTE;
    let sandbox = Sandbox::builder().memory(512 << 20).disk(128 << 20).create().await?;
    let files = sandbox.files();

    let length = Some((chunks * CHUNK) as u64);
    let mut writer = files.create("/tmp/numbers", WriteOptions { length, ..WriteOptions::default() });
    let mut numbers = Numbers::new();
    for _ in 0..chunks {
        writer.write(numbers.bytes(CHUNK)).await?;
    }
    writer.finish().await?;

    let read = compare(files.read("/tmp/numbers")).await?;
    if Some(read as u64) != length {
        return Err(format!("{read} bytes came back").into());
    }
    println!("{read} bytes ok");
    Ok(0)
}
