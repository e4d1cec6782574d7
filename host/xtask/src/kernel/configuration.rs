//! The kernel's configuration: its smallest one, and our lines on top. Every line must have been honoured.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::compile;
use crate::process;

/// Configures the tree by the lines of `fragment`.
pub(super) fn configure(tree: &Path, fragment: &Path) -> Result<()> {
    process::run(compile::make(tree).args(["--silent", "tinyconfig"]))
        .context("failed to configure the kernel")?;
    let mut merge = compile::tool(tree, "scripts/kconfig/merge_config.sh");
    // It says of each line whether it changed something, which is of no interest.
    process::output(merge.args(["-m", ".config"]).arg(fragment))
        .context("failed to add our configuration")?;
    process::run(compile::make(tree).args(["--silent", "olddefconfig"]))
        .context("failed to configure the kernel")?;

    let fragment = fs::read_to_string(fragment).context("failed to read our configuration")?;
    let result =
        fs::read_to_string(tree.join(".config")).context("failed to read the kernel's configuration")?;
    let missed = missed(&fragment, &result);
    if !missed.is_empty() {
        bail!(
            "this kernel does not honour these lines of vm-agent/kernel/config:\n  {}",
            missed.join("\n  ")
        );
    }
    Ok(())
}

/// The lines of a fragment that a configuration does not have. What is off is written as a comment there, or not at all.
fn missed<'a>(fragment: &'a str, configuration: &str) -> Vec<&'a str> {
    let has = |wanted: &str| configuration.lines().any(|line| line == wanted);
    let is_on = |name: &str| {
        configuration.lines().any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
    };
    fragment
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("CONFIG_"))
        .filter(|line| match line.strip_suffix("=n") {
            Some(name) => is_on(name),
            None => !has(line),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::missed;

    #[test]
    fn a_line_that_was_not_honoured_is_named() {
        let fragment = "# why\nCONFIG_A=y\nCONFIG_B=n\nCONFIG_C=8\nCONFIG_D=n\n";
        let honoured = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=8\n";
        assert!(missed(fragment, honoured).is_empty());
        let otherwise = "# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C=9\nCONFIG_DD=y\n";
        assert_eq!(missed(fragment, otherwise), ["CONFIG_A=y", "CONFIG_B=n", "CONFIG_C=8"]);
    }
}
