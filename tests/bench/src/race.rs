//! Contenders that take turns.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Long enough for what a turn leaves to be done in the background.
const REST: Duration = Duration::from_millis(20);

/// One way of doing a thing.
pub(crate) struct Contender<'a> {
    name: &'static str,
    turn: Box<dyn FnMut() -> Result<Duration> + 'a>,
}

impl<'a> Contender<'a> {
    /// Its time is that of the whole turn.
    pub(crate) fn new(name: &'static str, mut turn: impl FnMut() -> Result<()> + 'a) -> Self {
        let timed = move || {
            let since = Instant::now();
            turn()?;
            Ok(since.elapsed())
        };
        Self { name, turn: Box::new(timed) }
    }

    /// It times itself.
    pub(crate) fn timing_itself(name: &'static str, turn: impl FnMut() -> Result<Duration> + 'a) -> Self {
        Self { name, turn: Box::new(turn) }
    }

    /// Each turn begins after a rest, which is not timed: what the turn before left to the background is no burden to it.
    pub(crate) fn rested(self) -> Self {
        let Self { name, mut turn } = self;
        let rested = move || {
            thread::sleep(REST);
            turn()
        };
        Self { name, turn: Box::new(rested) }
    }
}

/// How a figure is shown.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// Time of a turn.
    Time,
    /// So many bytes passed in each turn.
    Rate(u64),
}

/// Lets all take turns and prints, for each, the median and p99, and its ratio to the last one: the peer.
pub(crate) fn race(turns: u32, unit: Unit, mut contenders: Vec<Contender<'_>>) -> Result<()> {
    let mut times: Vec<Vec<Duration>> = contenders.iter().map(|_| Vec::new()).collect();
    for turn in 0..=turns {
        for (contender, times) in contenders.iter_mut().zip(&mut times) {
            let time = (contender.turn)()?;
            // The first one pays for what is made once.
            if turn > 0 {
                times.push(time);
            }
        }
    }
    for times in &mut times {
        times.sort_unstable();
    }
    let medians: Vec<f64> = times.iter().map(|times| quantile(times, 0.5)).collect();
    let peer = medians.last().copied().unwrap_or(f64::NAN);
    for ((contender, times), median) in contenders.iter().zip(&times).zip(&medians) {
        let shown = match unit {
            Unit::Time => format!("p50 {}  p99 {}", time(*median), time(quantile(times, 0.99))),
            Unit::Rate(bytes) => format!("p50 {:>8.0} MiB/s", mebibytes(bytes) / median),
        };
        let ratio = match unit {
            Unit::Time => median / peer,
            Unit::Rate(_) => peer / median,
        };
        println!("  {:<44} {shown}  {ratio:>6.2}×", contender.name);
    }
    Ok(())
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small counts"
)]
fn quantile(sorted: &[Duration], part: f64) -> f64 {
    let place = ((sorted.len() as f64 - 1.0) * part).round() as usize;
    sorted.get(place).map_or(f64::NAN, Duration::as_secs_f64)
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:>8.2} s "),
        s if s >= 1e-3 => format!("{:>8.2} ms", s * 1e3),
        s => format!("{:>8.1} µs", s * 1e6),
    }
}
