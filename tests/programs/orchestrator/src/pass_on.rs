//! Hands streams on unread: a command's output to another command, a file to another file.

use mimobox_guest::bindings::mimobox::host::{files, sandbox};
use mimobox_guest::{Sandbox, println};

use crate::Ended;

/// More than a pipe holds.
const SIZE: usize = 300_000;

pub(crate) async fn run() -> Ended {
    let outer = Sandbox::builder().create().await?;
    let echo = outer.command("echo").arg("hello").spawn().await?;
    let cat = outer.command("cat").stdin(echo.stdout()).spawn().await?;
    println!("{:?}", String::from_utf8_lossy(&cat.stdout().collect().await?));

    // The SDK copies a file by hand, to see how its reading ends. The binding below it does not.
    let inner = sandbox::create(&nothing_in_particular()).await.map_err(mimobox_guest::Error::from)?;
    let options = files::WriteOptions { mode: 0o600, length: Some(SIZE as u64), append: false };
    let (mut writer, data) = mimobox_guest::bindings::wit_stream::new();
    let written = files::write(&inner, "/tmp/one", options, data);
    let unsent = writer.write_all(vec![b'x'; SIZE]).await;
    drop(writer);
    written.await.map_err(mimobox_guest::Error::from)?;
    let (bytes, end) = files::read(&inner, "/tmp/one", 0, None);
    files::write(&inner, "/tmp/two", options, bytes).await.map_err(mimobox_guest::Error::from)?;
    end.await.map_err(mimobox_guest::Error::from)?;
    let copy = files::stat(&inner, "/tmp/two").await.map_err(mimobox_guest::Error::from)?;
    println!("{} unsent, {} copied", unsent.len(), copy.size);
    Ok(0)
}

fn nothing_in_particular() -> sandbox::Spec {
    sandbox::Spec {
        isolation: None,
        image: None,
        limits: sandbox::Limits { memory: None, cpu: None, processes: None, disk: None },
        environment: Vec::new(),
        mounts: Vec::new(),
        egress: Vec::new(),
        lifetime: None,
        labels: Vec::new(),
    }
}
