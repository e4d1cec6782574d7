//! Everything unsafe of this crate: what no safe library wraps.

pub(crate) mod guest_io;
