//! A terminal's echo, its size, its keys, and its end.

use std::time::Duration;

use mimobox_guest::terminal::{Size, Terminal};
use mimobox_guest::{ByteReader, Result, Sandbox, println, timer};

use crate::Ended;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    let open = async |words: &[&str]| {
        let (program, arguments) = words.split_first().unwrap_or((&"", &[]));
        sandbox.command(*program).args(arguments.iter().copied()).open_terminal(Size::default()).await
    };

    let mut cat = open(&["cat"]).await?;
    cat.write("hello\n\x04").await?;
    let shown = cat.output().collect().await?;
    println!("cat: {:?}, {}", String::from_utf8_lossy(&shown), cat.wait().await?);
    println!("again: {:?}", cat.output().collect().await.err());
    println!("resized late: {:?}", cat.resize(Size::default()).await.err());
    println!("killed late: {:?}", cat.kill().await.err());

    println!("sizes: {}", sizes(open(&["sh"]).await?).await?);

    let mut interrupted = open(&["sleep", "3600"]).await?;
    let mut keys = interrupted.input().ok_or("there is no input")?;
    println!("input taken twice: {:?}", interrupted.write("x").await.err());
    keys.write("\x03").await?;
    println!("interrupted: {}", interrupted.wait().await?);

    let killed = open(&["sleep", "3600"]).await?;
    killed.kill().await?;
    println!("killed: {}", killed.wait().await?);

    drop((open(&["sleep", "3600"]).await?, open(&["nohup", "sleep", "3600"]).await?));
    // They are hung up and killed in their own time, which ends before this does.
    while !sandbox.processes().await?.is_empty() {
        timer::sleep(Duration::from_millis(10)).await;
    }
    println!("hung up: none left");

    println!(
        "no size: {:?}",
        sandbox.command("cat").open_terminal(Size { columns: 0, rows: 24 }).await.err()
    );
    println!("no program: {:?}", open(&["no-such-program"]).await.err());
    let left = open(&["sleep", "3600"]).await?;
    drop(sandbox);
    println!("left: {:?}", left.wait().await.err());
    Ok(0)
}

/// What a shell's terminal says of its size, before and after a change.
async fn sizes(mut shell: Terminal) -> Result<String> {
    let mut screen = Screen { output: shell.output(), shown: String::new() };
    shell.write("stty size\n").await?;
    let before = screen.shows("24 80").await?;
    shell.resize(Size { columns: 132, rows: 50 }).await?;
    shell.write("stty size\n").await?;
    let after = screen.shows("50 132").await?;
    shell.write("exit 7\n").await?;
    Ok(format!("{before} {after}, {}", shell.wait().await?))
}

/// What a terminal has shown so far.
struct Screen {
    output: ByteReader,
    shown: String,
}

impl Screen {
    /// Reads on until this is shown. Whether it was.
    async fn shows(&mut self, text: &str) -> Result<bool> {
        while !self.shown.contains(text) {
            match self.output.next().await? {
                Some(bytes) => self.shown += &String::from_utf8_lossy(&bytes),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}
