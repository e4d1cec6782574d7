//! Lets so many changes wait for a reader that comes late, and counts what it finds.

use std::fmt::Write;

use mimobox_guest::files::ChangeKind;
use mimobox_guest::{Sandbox, println};

use crate::Ended;
use crate::arguments::Arguments;

/// The change that comes after all others.
const LAST: &str = "/tmp/watched/last";

pub(crate) async fn run(mut arguments: Arguments) -> Ended {
    let count: usize = arguments.next("number of changes")?;
    let sandbox = Sandbox::builder().create().await?;
    let files = sandbox.files();
    files.make_directory("/tmp/watched", false).await?;
    let mut changes = files.watch("/tmp/watched", false);

    let mut script = String::new();
    for number in 0..count {
        writeln!(script, "mkdir /tmp/watched/{number}")?;
    }
    let flood = sandbox.command("sh").stdin(script).output().await?;
    files.make_directory(LAST, false).await?;

    let mut seen = 0;
    let end = loop {
        match changes.next().await {
            Ok(Some(change)) if change.path == LAST => break "all".to_owned(),
            Ok(Some(change)) => seen += usize::from(change.kind == ChangeKind::Created),
            Ok(None) => break "end".to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    println!("{}: {seen} created, {end}", flood.status);
    Ok(0)
}
