//! Asks for so many sessions and keeps those that it gets.

use mimobox_guest::terminal::Size;
use mimobox_guest::{Sandbox, println};

use crate::Ended;
use crate::arguments::Arguments;

pub(crate) async fn run(mut arguments: Arguments) -> Ended {
    let count: usize = arguments.next("number of sessions")?;
    let sandbox = Sandbox::builder().create().await?;
    let (mut sessions, mut refusals, mut why) = (Vec::new(), 0, String::new());
    for _ in 0..count {
        match sandbox.command("sleep").arg("3600").open_terminal(Size::default()).await {
            Ok(session) => sessions.push(session),
            Err(error) => {
                refusals += 1;
                why = error.to_string();
            }
        }
    }
    println!("{} sessions, {refusals} refused: {why}", sessions.len());
    Ok(0)
}
