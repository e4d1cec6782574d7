//! Files that are not finished, each over an old one, and what is there afterwards.

use std::time::Duration;

use mimobox_guest::files::WriteOptions;
use mimobox_guest::{Sandbox, println, timer};

use crate::Ended;

/// Time in which a file would come to be there that must not.
const WHILE: Duration = Duration::from_millis(50);

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    let files = sandbox.files();
    let now = async || files.read_to_string("/tmp/draft", 64).await;
    files.write("/tmp/draft", "old").await?;

    let mut dropped = files.create("/tmp/draft", WriteOptions::default());
    dropped.write("new").await?;
    drop(dropped);
    timer::sleep(WHILE).await;
    println!("dropped: {}", now().await?);

    drop(files.create("/tmp/draft", WriteOptions::default()));
    timer::sleep(WHILE).await;
    println!("dropped at once: {}", now().await?);

    let length = Some(10);
    let mut short = files.create("/tmp/draft", WriteOptions { length, ..WriteOptions::default() });
    short.write("new").await?;
    println!("short: {:?}", short.finish().await.err());
    println!("short: {}", now().await?);

    let mut slow = files.create("/tmp/draft", WriteOptions::default());
    slow.write("half").await?;
    println!("half: {}", now().await?);
    slow.write(" and half").await?;
    slow.finish().await?;
    println!("whole: {}", now().await?);

    files.create("/tmp/draft", WriteOptions::default()).finish().await?;
    println!("nothing: {:?}", now().await?);
    Ok(0)
}
