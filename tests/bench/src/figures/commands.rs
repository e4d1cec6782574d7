//! Commands that do nothing: what is left is the cost of getting there.

use anyhow::{Context, Result};
use mimobox_harness::OsHost;
use mimobox_sandbox::{Command, Sandbox, Spec, fake};

use super::{Bench, run};
use crate::race::{Contender, Unit, race};

/// bubblewrap with the root that our sandboxes have.
const BUBBLEWRAP: &[&str] = &[
    "--unshare-all",
    "--die-with-parent",
    "--ro-bind",
    "/usr",
    "/usr",
    "--symlink",
    "usr/bin",
    "/bin",
    "--symlink",
    "usr/sbin",
    "/sbin",
    "--symlink",
    "usr/lib",
    "/lib",
    "--symlink",
    "usr/lib64",
    "/lib64",
    "--ro-bind",
    "/etc/alternatives",
    "/etc/alternatives",
    "--ro-bind",
    "/etc/ld.so.cache",
    "/etc/ld.so.cache",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--tmpfs",
    "/tmp",
    "--dir",
    "/home/sandbox",
    "/usr/bin/true",
];

pub(super) async fn execute_true(sandbox: &Sandbox) -> Result<()> {
    let finished = sandbox.execute(Command::new("/usr/bin/true"), Vec::new()).await?;
    anyhow::ensure!(finished.status == mimobox_sandbox::ExitStatus::Exited(0), "{}", finished.status);
    Ok(())
}

pub(super) fn spawn<'a>() -> Contender<'a> {
    Contender::new("posix_spawn and wait, no sandbox (peer)", || run("/usr/bin/true", &[]))
}

/// From the second on: what the host keeps in reserve is made between turns.
pub(super) fn cold(bench: &Bench<'_>) -> Result<()> {
    whole_lives(bench, bench.host)
}

/// As the first of a host is, or one of many that differ: none is in reserve.
pub(super) fn first(bench: &Bench<'_>) -> Result<()> {
    let host =
        OsHost::with(fake::ceiling(), Vec::new()).context("this machine lacks what a sandbox takes")?;
    whole_lives(bench, &host)
}

fn whole_lives(bench: &Bench<'_>, host: &OsHost) -> Result<()> {
    let sandboxes = host.run();
    let whole = || {
        bench.runtime.block_on(async {
            let sandbox = sandboxes.create(Spec::default()).await?;
            execute_true(&sandbox).await?;
            Ok(sandbox.close().await?)
        })
    };
    let contenders = vec![
        Contender::new("mimobox", whole).rested(),
        Contender::new("bubblewrap --unshare-all, same root", || run("bwrap", BUBBLEWRAP)).rested(),
        spawn().rested(),
    ];
    race(bench.turns, Unit::Time, contenders)
}

pub(super) fn command_line(bench: &Bench<'_>) -> Result<()> {
    let program = mimobox_harness::program("mimobox-host");
    let program = program.to_str().context("the program's path is not UTF-8")?;
    let contenders = vec![
        Contender::new("mimobox-host exec", || run(program, &["exec", "--", "/usr/bin/true"])),
        spawn(),
        Contender::new("bubblewrap --unshare-all, same root (peer)", || run("bwrap", BUBBLEWRAP)),
    ];
    race(bench.turns, Unit::Time, contenders)
}

pub(super) fn warm(bench: &Bench<'_>) -> Result<()> {
    let sandboxes = bench.host.run();
    let sandbox = bench.runtime.block_on(sandboxes.create(Spec::default()))?;
    let contenders =
        vec![Contender::new("mimobox", || bench.runtime.block_on(execute_true(&sandbox))), spawn()];
    race(bench.turns, Unit::Time, contenders)
}
