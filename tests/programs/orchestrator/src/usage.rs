//! Prints what a sandbox uses in which one command runs.

use mimobox_guest::{Sandbox, println};

use crate::Ended;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    let _sleep = sandbox.command("sleep").arg("3600").spawn().await?;
    let usage = sandbox.usage().await?;
    println!("processes {}", usage.processes);
    println!("memory {}", usage.memory);
    println!("memory-peak {}", usage.memory_peak);
    println!("cpu-time {}", usage.cpu_time.as_nanos());
    Ok(0)
}
