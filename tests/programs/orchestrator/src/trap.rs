//! Traps, with a sandbox in which a command runs.

use mimobox_guest::Sandbox;

use crate::Ended;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    let _process = sandbox.command("sleep").arg("3600").spawn().await?;
    std::process::abort()
}
