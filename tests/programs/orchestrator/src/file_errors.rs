//! Operations on files that cannot be done, and why.

use mimobox_guest::files::WriteOptions;
use mimobox_guest::{Result, Sandbox, println};

use crate::Ended;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    let files = sandbox.files();
    files.write("/tmp/file", "four").await?;
    files.make_directory("/tmp/full/inner", true).await?;
    let with = |length, mode| WriteOptions { length, mode, ..WriteOptions::default() };

    let answers: [(&str, Result<()>); 17] = [
        ("read nothing", files.read_to_vec("/tmp/nothing", 9).await.map(drop)),
        ("read a directory", files.read_to_vec("/tmp", 9).await.map(drop)),
        ("read through a file", files.read_to_vec("/tmp/file/inner", 9).await.map(drop)),
        ("read too much", files.read_to_vec("/tmp/file", 3).await.map(drop)),
        ("stat nothing", files.stat("/tmp/nothing").await.map(drop)),
        ("list a file", files.read_directory("/tmp/file").await.map(drop)),
        ("write into nothing", files.write("/tmp/nothing/file", "bytes").await),
        ("write a directory", files.write("/tmp", "bytes").await),
        ("write what is not ours", files.write("/etc/file", "bytes").await),
        (
            "write too little",
            files.write_from("/tmp/file", with(Some(9), 0o644), files.read("/tmp/file")).await,
        ),
        (
            "write too much",
            files.write_from("/tmp/file", with(Some(3), 0o644), files.read("/tmp/file")).await,
        ),
        (
            "write set-user-id",
            files.write_from("/tmp/file", with(None, 0o4755), files.read("/tmp/file")).await,
        ),
        ("make twice", files.make_directory("/tmp/full", false).await),
        ("rename nothing", files.rename("/tmp/nothing", "/tmp/other").await),
        ("remove what is full", files.remove("/tmp/full", false).await),
        ("watch nothing", files.watch("/tmp/nothing", true).next().await.map(drop)),
        ("a relative path", files.stat("file").await.map(drop)),
    ];
    for (what, answer) in answers {
        match answer {
            Err(error) => println!("{what}: {error}"),
            Ok(()) => println!("{what}: done"),
        }
    }
    println!("the file: {}", files.read_to_string("/tmp/file", 9).await?);
    Ok(0)
}
