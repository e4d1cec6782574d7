//! Ends at once.

use crate::Ended;

pub(crate) fn run() -> Ended {
    Ok(0)
}
