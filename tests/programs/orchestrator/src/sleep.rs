//! Waits so many milliseconds and prints whether it was that long.

use std::time::Duration;

use mimobox_guest::clock::Instant;
use mimobox_guest::{println, timer};

use crate::Ended;
use crate::arguments::Arguments;

pub(crate) async fn run(mut arguments: Arguments) -> Ended {
    let wanted = Duration::from_millis(arguments.next("number of milliseconds")?);
    let since = Instant::now();
    let told = timer::sleep(wanted).await;
    if told < wanted || since.elapsed() < wanted {
        return Err(format!("woke after {told:?}").into());
    }
    println!("slept");
    Ok(0)
}
