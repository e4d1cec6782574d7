//! Calls a function of the interface that has no backend yet, and expects to be told so by the function's name.

use mimobox_guest::{Error, Sandbox, println};

use crate::Ended;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    match sandbox.request("GET", "http://example.com/").send().await {
        Err(Error::Unsupported(name)) => println!("{name} is unsupported"),
        Err(error) => return Err(format!("http.send gave {error}").into()),
        Ok(_) => return Err("http.send has answered".into()),
    }
    Ok(0)
}
