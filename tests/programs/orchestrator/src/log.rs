//! Writes one line of each level to the operator's log, and one that tries to be two.

use mimobox_guest::log::{self, Level};

use crate::Ended;

pub(crate) fn run() -> Ended {
    log::trace("at trace");
    log::debug("at debug");
    log::info("at info");
    log::warn("at warn");
    log::error("at error");
    log::write(Level::Warn, "one line\nERROR another line", &[("answer", &42)]);
    Ok(0)
}
