//! Sandboxes that are made ahead, many at once, or of one another.

use std::time::{Duration, Instant};

use anyhow::Result;
use mimobox_sandbox::{Command, Pool, Sandbox, Source, Spec};

use super::commands::{execute_true, spawn};
use super::{Bench, run};
use crate::race::{Contender, Unit, race};

/// Kept ready, and made again between turns.
const READY: u32 = 4;
const HUNDRED: usize = 100;
const CHILDREN: u32 = 10;

pub(super) fn pool(bench: &Bench<'_>) -> Result<()> {
    let sandboxes = bench.host.run();
    let pool = Pool::open(&sandboxes, Source::Spec(Spec::default()), READY)?;
    let turn = || {
        bench.runtime.block_on(async {
            // The filling is not what is measured: whoever uses a pool has it full.
            while pool.ready() < READY {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let since = Instant::now();
            let sandbox = pool.acquire().await?;
            execute_true(&sandbox).await?;
            sandbox.close().await?;
            Ok(since.elapsed())
        })
    };
    race(bench.turns, Unit::Time, vec![Contender::timing_itself("mimobox", turn), spawn()])
}

pub(super) fn hundred(bench: &Bench<'_>) -> Result<()> {
    let sandboxes = bench.host.run();
    let half = async || {
        for _ in 0..HUNDRED / 2 {
            let sandbox = sandboxes.create(Spec::default()).await?;
            execute_true(&sandbox).await?;
            sandbox.close().await?;
        }
        anyhow::Ok(())
    };
    let ours = || {
        bench.runtime.block_on(async {
            let (one, other) = tokio::join!(half(), half());
            one.and(other)
        })
    };
    let peer = || {
        let half = || (0..HUNDRED / 2).try_for_each(|_| run("/usr/bin/true", &[]));
        std::thread::scope(|scope| {
            let other = scope.spawn(half);
            half().and(other.join().unwrap_or_else(|_| anyhow::bail!("a thread panicked")))
        })
    };
    let contenders = vec![
        Contender::new("mimobox", ours),
        Contender::new("posix_spawn and wait, no sandbox (peer)", peer),
    ];
    race(bench.turns.div_ceil(20), Unit::Time, contenders)
}

pub(super) fn fork(bench: &Bench<'_>) -> Result<()> {
    let sandboxes = bench.host.run();
    let fill = "head -c 16777216 /dev/urandom > /tmp/data";
    let warm = async |sandbox: &Sandbox| {
        let filled = sandbox.execute(Command::new("sh").arguments(["-c", fill]), Vec::new()).await?;
        anyhow::ensure!(filled.status == mimobox_sandbox::ExitStatus::Exited(0), "{}", filled.status);
        Ok(())
    };
    let parent = bench.runtime.block_on(async {
        let parent = sandboxes.create(Spec::default()).await?;
        warm(&parent).await?;
        anyhow::Ok(parent)
    })?;
    let forked = || {
        bench.runtime.block_on(async {
            for child in sandboxes.fork(&parent, CHILDREN).await? {
                child?.close().await?;
            }
            anyhow::Ok(())
        })
    };
    let anew = || {
        bench.runtime.block_on(async {
            for _ in 0..CHILDREN {
                let sandbox = sandboxes.create(Spec::default()).await?;
                warm(&sandbox).await?;
                sandbox.close().await?;
            }
            anyhow::Ok(())
        })
    };
    let contenders = vec![
        Contender::new("fork", forked),
        Contender::new("ten new ones, filled one after another (peer)", anew),
    ];
    race(bench.turns.div_ceil(20), Unit::Time, contenders)
}
