//! What is made once and kept for every checkout: a folder of the user's cache.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// `mimobox-host` in the user's cache (XDG base directory specification).
pub(crate) fn folder() -> Result<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) if Path::new(&cache).is_absolute() => PathBuf::from(cache),
        _ => PathBuf::from(std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    Ok(cache.join("mimobox-host"))
}
