//! Boots of microVMs.

use anyhow::Result;

use super::Bench;
use crate::microvm::Supplies;
use crate::race::{Contender, Unit, race};

/// A boot takes seconds where guest kernels are emulated.
const MOST_TURNS: u32 = 10;

/// From nothing to the first program's word, beside QEMU.
pub(super) fn boot(bench: &Bench<'_>) -> Result<()> {
    let Some(supplies) = Supplies::find()? else {
        println!("  not measured: this machine runs no microVM");
        return Ok(());
    };
    println!("  template {}, 128 MiB, one processor", supplies.template());
    let contenders = vec![
        Contender::timing_itself("mimobox-vmm", || supplies.boot_ours()),
        Contender::timing_itself("QEMU -M microvm, same kernel, image, words", || supplies.boot_qemu()),
    ];
    race(bench.turns.min(MOST_TURNS), Unit::Time, contenders)
}
