//! Begins so many readings and writings that it never looks at, drops them, and finds everything as before.

use std::time::Duration;

use mimobox_guest::files::WriteOptions;
use mimobox_guest::{Error, Sandbox, println, timer};

use crate::Ended;
use crate::arguments::Arguments;

/// More than a pipe holds, so that what is not read stands still.
const SIZE: usize = 1 << 20;

pub(crate) async fn run(mut arguments: Arguments) -> Ended {
    let count: usize = arguments.next("number of handles")?;
    let sandbox = Sandbox::builder().create().await?;
    let files = sandbox.files();
    files.write("/tmp/file", vec![b'o'; SIZE]).await?;

    let readers: Vec<_> = (0..count).map(|_| files.read("/tmp/file")).collect();
    println!("{} unread", readers.len());
    drop(readers);
    let writers: Vec<_> = (0..count).map(|_| files.create("/tmp/file", WriteOptions::default())).collect();
    println!("{} unwritten", writers.len());
    drop(writers);

    // Each gives its place back in its own time, which ends before this does.
    let bytes = loop {
        match files.read_to_vec("/tmp/file", SIZE).await {
            Err(Error::LimitReached(_)) => timer::sleep(Duration::from_millis(10)).await,
            read => break read?,
        };
    };
    println!("{}", if bytes == vec![b'o'; SIZE] { "as before" } else { "changed" });
    Ok(0)
}
