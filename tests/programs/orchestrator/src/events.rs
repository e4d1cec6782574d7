//! Prints what a command does, event by event, as it does it.

use mimobox_guest::{Event, Sandbox, println};

use crate::Ended;
use crate::arguments::Arguments;

pub(crate) async fn run(mut arguments: Arguments) -> Ended {
    let program: String = arguments.next("program")?;
    let sandbox = Sandbox::builder().create().await?;
    let process = sandbox.command(program).args(arguments.rest()).spawn().await?;
    let mut events = process.events();
    while let Some(event) = events.next().await? {
        match event {
            Event::Stdout(bytes) => println!("stdout {:?}", String::from_utf8_lossy(&bytes)),
            Event::Stderr(bytes) => println!("stderr {:?}", String::from_utf8_lossy(&bytes)),
            Event::Ended(status) => println!("{status}"),
        }
    }
    Ok(0)
}
