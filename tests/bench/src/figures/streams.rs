//! Bytes through pipes.

use std::io::{Read, Write};
use std::process::{Command as Program, Stdio};

use anyhow::{Context, Result};
use mimobox_sandbox::{Command, Sandbox, Spec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Bench;
use crate::race::{Contender, Unit, race};

pub(super) const BYTES: u64 = 256 * 1024 * 1024;
const CHUNK: usize = 64 * 1024;
/// Of a stream figure, each some tenths of a second.
pub(super) const MOST_TURNS: u32 = 15;

fn writer() -> (&'static str, [String; 3]) {
    ("head", ["-c".into(), BYTES.to_string(), "/dev/zero".into()])
}

pub(super) fn stdout(bench: &Bench<'_>) -> Result<()> {
    let sandboxes = bench.host.run();
    let sandbox = bench.runtime.block_on(sandboxes.create(Spec::default()))?;
    let contenders = vec![
        Contender::new("mimobox", || bench.runtime.block_on(read_from_sandbox(&sandbox))),
        Contender::new("a plain pipe (peer)", read_from_pipe),
    ];
    race(bench.turns.min(MOST_TURNS), Unit::Rate(BYTES), contenders)
}

pub(super) async fn read_from_sandbox(sandbox: &Sandbox) -> Result<()> {
    let (program, arguments) = writer();
    let process = sandbox.spawn(Command::new(program).arguments(arguments), false).await?;
    let mut stdout = process.take_stdout().context("no standard output")?;
    let mut buffer = vec![0; CHUNK];
    let mut total = 0;
    loop {
        match stdout.read(&mut buffer).await? {
            0 => break,
            count => total += count as u64,
        }
    }
    anyhow::ensure!(total == BYTES, "{total} bytes");
    process.wait().await?;
    Ok(())
}

fn read_from_pipe() -> Result<()> {
    let (program, arguments) = writer();
    let mut child = Program::new(program).args(arguments).stdout(Stdio::piped()).spawn()?;
    let mut stdout = child.stdout.take().context("no standard output")?;
    let mut buffer = vec![0; CHUNK];
    let mut total = 0;
    loop {
        match stdout.read(&mut buffer)? {
            0 => break,
            count => total += count as u64,
        }
    }
    anyhow::ensure!(total == BYTES, "{total} bytes");
    child.wait()?;
    Ok(())
}

pub(super) fn stdin(bench: &Bench<'_>) -> Result<()> {
    let sandboxes = bench.host.run();
    let sandbox = bench.runtime.block_on(sandboxes.create(Spec::default()))?;
    let chunk = vec![0; CHUNK];
    let contenders = vec![
        Contender::new("mimobox", || bench.runtime.block_on(write_to_sandbox(&sandbox, &chunk))),
        Contender::new("a plain pipe (peer)", || write_to_pipe(&chunk)),
    ];
    race(bench.turns.min(MOST_TURNS), Unit::Rate(BYTES), contenders)
}

/// Reads all and drops it: `cat` would splice a pipe away.
const READER: [&str; 2] = ["bs=64K", "of=/dev/null"];

async fn write_to_sandbox(sandbox: &Sandbox, chunk: &[u8]) -> Result<()> {
    let process = sandbox.spawn(Command::new("dd").arguments(READER), true).await?;
    let mut stdin = process.take_stdin().context("no standard input")?;
    for _ in 0..BYTES / CHUNK as u64 {
        stdin.write_all(chunk).await?;
    }
    stdin.shutdown().await?;
    drop(stdin);
    process.wait().await?;
    Ok(())
}

fn write_to_pipe(chunk: &[u8]) -> Result<()> {
    let mut child = Program::new("dd").args(READER).stdin(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    for _ in 0..BYTES / CHUNK as u64 {
        stdin.write_all(chunk)?;
    }
    drop(stdin);
    child.wait()?;
    Ok(())
}
