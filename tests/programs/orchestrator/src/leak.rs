//! Ends well, with so many sandboxes never closed and a command running in each.

use mimobox_guest::{Sandbox, println};

use crate::Ended;
use crate::arguments::Arguments;

pub(crate) async fn run(mut arguments: Arguments) -> Ended {
    let count: usize = arguments.next("number of sandboxes")?;
    for _ in 0..count {
        let sandbox = Sandbox::builder().create().await?;
        let process = sandbox.command("sleep").arg("3600").spawn().await?;
        std::mem::forget(process);
        std::mem::forget(sandbox);
    }
    println!("{count} sandboxes left");
    Ok(0)
}
