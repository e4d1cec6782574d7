//! One operation on files after another, each with what it shows.

use mimobox_guest::{Sandbox, println};

use crate::Ended;

/// More than any file here has.
const LIMIT: usize = 1024;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    let files = sandbox.files();

    files.make_directory("/tmp/tour/inner", true).await?;
    files.make_directory("/tmp/tour/inner", true).await?;
    files.write("/tmp/tour/greeting", "hello").await?;
    files.append("/tmp/tour/greeting", ", you").await?;
    println!("{}", files.read_to_string("/tmp/tour/greeting", LIMIT).await?);
    let entry = files.stat("/tmp/tour/greeting").await?;
    println!("{}: {:?} of {} bytes, mode {:o}", entry.name, entry.kind, entry.size, entry.mode);

    let part = files.read_range("/tmp/tour/greeting", 7, Some(2)).to_vec(LIMIT).await?;
    println!("from 7 on, 2 bytes: {:?}", String::from_utf8_lossy(&part));
    let past = files.read_range("/tmp/tour/greeting", 100, None).to_vec(LIMIT).await?;
    println!("past the end: {} bytes", past.len());

    files.write("/tmp/tour/greeting", "").await?;
    println!("emptied: {} bytes", files.stat("/tmp/tour/greeting").await?.size);
    files.rename("/tmp/tour/greeting", "/tmp/tour/inner/renamed").await?;
    println!("outer: {}", names(files.read_directory("/tmp/tour").await?));
    println!("inner: {}", names(files.read_directory("/tmp/tour/inner").await?));

    files.remove("/tmp/tour", true).await?;
    println!("gone: {:?}", files.stat("/tmp/tour").await.err());
    sandbox.close().await?;
    Ok(0)
}

fn names(entries: Vec<mimobox_guest::files::Entry>) -> String {
    let mut names: Vec<String> =
        entries.into_iter().map(|entry| format!("{} ({:?})", entry.name, entry.kind)).collect();
    names.sort();
    names.join(", ")
}
