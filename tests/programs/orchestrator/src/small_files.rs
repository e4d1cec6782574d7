//! Writes so many small files, a few at once, lists them, and reads each back.

use mimobox_guest::{Sandbox, println, run_all};

use crate::Ended;
use crate::arguments::Arguments;

const AT_ONCE: usize = 16;

pub(crate) async fn run(mut arguments: Arguments) -> Ended {
    let count: usize = arguments.next("number of files")?;
    let sandbox = Sandbox::builder().create().await?;
    let files = sandbox.files();
    files.make_directory("/tmp/small", false).await?;

    let path = |number: usize| format!("/tmp/small/{number}");
    let write = async |number| files.write(&path(number), format!("file {number}")).await;
    for written in run_all(AT_ONCE, (0..count).map(write)).await {
        written?;
    }
    let listed = files.read_directory("/tmp/small").await?.len();
    let read = async |number| files.read_to_string(&path(number), 64).await;
    for (number, read) in run_all(AT_ONCE, (0..count).map(read)).await.into_iter().enumerate() {
        let read = read?;
        if read != format!("file {number}") {
            return Err(format!("file {number} is {read:?}").into());
        }
    }
    println!("{listed} files ok");
    Ok(0)
}
