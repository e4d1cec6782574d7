//! Makes handles of each kind until the host refuses, at most so many: sandboxes, processes in one of them, and at last
//! futures that nobody waits for.

use mimobox_guest::bindings::mimobox::host::timer;
use mimobox_guest::{Sandbox, println};

use crate::Ended;
use crate::arguments::Arguments;

/// Nanoseconds: longer than any run.
const LONG: u64 = 3_600_000_000_000;

pub(crate) async fn run(mut arguments: Arguments) -> Ended {
    let count: usize = arguments.next("number of handles")?;

    let mut sandboxes = Vec::new();
    while sandboxes.len() < count {
        match Sandbox::builder().create().await {
            Ok(sandbox) => sandboxes.push(sandbox),
            Err(error) => {
                println!("refused after {} sandboxes: {error}", sandboxes.len());
                break;
            }
        }
    }

    let sandbox = sandboxes.first().ok_or("there is no sandbox")?;
    let mut processes = Vec::new();
    while processes.len() < count {
        match sandbox.command("sleep").arg("3600").spawn().await {
            Ok(process) => processes.push(process),
            Err(error) => {
                println!("refused after {} processes: {error}", processes.len());
                break;
            }
        }
    }

    // The SDK begins to wait only when it is awaited. The binding below it begins at once.
    let futures: Vec<_> = (0..count).map(|_| timer::sleep(LONG)).collect();
    println!("{} futures", futures.len());
    Ok(0)
}
