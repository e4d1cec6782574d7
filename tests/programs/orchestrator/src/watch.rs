//! Watches a directory, changes it, and prints what the watch saw. Changes of bytes are left out: a system tells them as it
//! likes.

use mimobox_guest::files::ChangeKind;
use mimobox_guest::{Sandbox, println};

use crate::Ended;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    let files = sandbox.files();
    files.make_directory("/tmp/watched", false).await?;
    let mut changes = files.watch("/tmp/watched", true);

    files.make_directory("/tmp/watched/inner", false).await?;
    files.rename("/tmp/watched/inner", "/tmp/watched/other").await?;
    files.remove("/tmp/watched/other", false).await?;
    sandbox.command("rm").args(["-r", "/tmp/watched"]).output().await?;

    while let Some(change) = changes.next().await? {
        if change.kind != ChangeKind::Modified {
            println!("{:?} {}", change.kind, change.path);
        }
    }
    Ok(0)
}
