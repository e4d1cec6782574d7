//! Calls one function of each interface that has no backend yet, and expects to be told so by the function's name.

use mimobox_guest::{Error, Sandbox, println};

use crate::Ended;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    let answers = [
        ("snapshot.take", sandbox.snapshot().await.map(drop)),
        ("http.send", sandbox.request("GET", "http://example.com/").send().await.map(drop)),
    ];
    for (function, answer) in answers {
        match answer {
            Err(Error::Unsupported(name)) if name == function => println!("{name} is unsupported"),
            other => return Err(format!("{function} gave {other:?}").into()),
        }
    }
    Ok(0)
}
