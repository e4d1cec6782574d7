//! Prints the time in seconds since the Unix epoch, and two random numbers.

use std::time::SystemTime;

use mimobox_guest::{clock, println, random};

use crate::Ended;

pub(crate) fn run() -> Ended {
    let now = clock::now().duration_since(SystemTime::UNIX_EPOCH)?;
    println!("{}", now.as_secs());
    println!("{:016x}", random::number());
    for byte in random::bytes(8) {
        mimobox_guest::print!("{byte:02x}");
    }
    println!();
    Ok(0)
}
