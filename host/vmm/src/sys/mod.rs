//! Everything unsafe of this crate: what no safe library wraps.
