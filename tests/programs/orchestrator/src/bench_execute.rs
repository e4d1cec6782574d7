//! Executes `/usr/bin/true` so many times in one sandbox. Prints how long each took, in nanoseconds, one a line.

use std::time::Duration;

use mimobox_guest::clock::Instant;
use mimobox_guest::{Sandbox, println};

use crate::Ended;
use crate::arguments::Arguments;

pub(crate) async fn run(mut arguments: Arguments) -> Ended {
    let count = arguments.next("number of times")?;
    let sandbox = Sandbox::builder().create().await?;
    let mut times: Vec<Duration> = Vec::with_capacity(count);
    for _ in 0..count {
        let since = Instant::now();
        sandbox.command("/usr/bin/true").output().await?;
        times.push(since.elapsed());
    }
    // Printing would be in the way of measuring.
    for time in times {
        println!("{}", time.as_nanos());
    }
    Ok(0)
}
