//! Overwrites a file and does not come to its end: by a trap, by its own end, by a loop, or by waiting for ever.

use std::time::Duration;

use mimobox_guest::files::WriteOptions;
use mimobox_guest::{Sandbox, println, timer};

use crate::Ended;
use crate::arguments::Arguments;

pub(crate) async fn run(mut arguments: Arguments) -> Ended {
    let how: String = arguments.next("way to go")?;
    let path: String = arguments.next("path")?;
    let volume: Option<String> = arguments.next("volume").ok();

    let mut builder = Sandbox::builder();
    if let Some(volume) = volume {
        builder = builder.mount_writable(volume, "/work");
    }
    let sandbox = builder.create().await?;
    let files = sandbox.files();
    if files.stat(&path).await.is_err() {
        files.write(&path, "old").await?;
    }
    let mut writer = files.create(&path, WriteOptions::default());
    writer.write(vec![b'n'; 200_000]).await?;
    println!("written");
    match how.as_str() {
        "trap" => std::process::abort(),
        "end" => std::mem::forget(writer),
        "spin" => loop {
            std::hint::spin_loop();
        },
        _ => drop(timer::sleep(Duration::from_secs(3600)).await),
    }
    Ok(0)
}
