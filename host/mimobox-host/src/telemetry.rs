//! The host's log on standard error: for people, best effort, and apart from the audit log.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Every crate of this workspace.
const OURS: &str = "mimobox";
/// What components log.
const COMPONENTS: &str = "component";

/// Starts the log; each `-v` shows one level more of what this project says, and others' warnings at most.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let filter =
        Targets::new().with_default(LevelFilter::WARN).with_targets([(OURS, level), (COMPONENTS, level)]);
    let lines =
        fmt::layer().with_writer(io::stderr).with_ansi(colours(&io::stderr())).with_target(verbose > 1);
    // The only failure is a log that was started before.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}

/// Whether colours make sense on `stream` (no-color.org).
pub(crate) fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
