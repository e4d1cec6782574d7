//! Prints to standard output and to standard error.

use mimobox_guest::{eprintln, println};

use crate::Ended;

pub(crate) fn run() -> Ended {
    println!("to standard output");
    eprintln!("to standard error");
    Ok(0)
}
