//! Landlock: which files may be read, written and executed, whatever their permissions say: landlock(7).
//!
//! TCP is not among the rights: a sandbox's network has nothing but its own loopback, and denying TCP there would only
//! keep programs from testing a server of their own.

use std::os::fd::BorrowedFd;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    PathFdError, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use serde::{Deserialize, Serialize};

use crate::enforcement::{Enforcement, Mechanism};

/// The newest ABI that the rules below were written for. On an older kernel they are cut to what it has, and the report
/// says so; what a newer one adds is left alone until somebody has thought about it.
const NEWEST: ABI = ABI::V6;

/// What may be done at a path and below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PathRights {
    /// List directories.
    List,
    /// That, and read files.
    Read,
    /// That, and execute them.
    Execute,
    /// Read files that are there, and write to them: `/proc`.
    WriteExisting,
    /// That, and talk to devices: `/dev`.
    Devices,
    /// All but making devices.
    All,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathRule {
    /// Absolute, in the sandbox.
    pub path: String,
    /// What may be done there.
    pub rights: PathRights,
}

/// The rules are not in force.
#[derive(Debug, thiserror::Error)]
pub enum LandlockError {
    /// The kernel refused the set of rights.
    #[error("failed to make a Landlock ruleset")]
    Create(#[source] RulesetError),
    /// A path of a rule is not there.
    #[error("failed to open {path} for its Landlock rule")]
    Open {
        /// Which.
        path: String,
        /// Why.
        source: PathFdError,
    },
    /// The kernel refused a rule.
    #[error("failed to add the Landlock rule of {path}")]
    Add {
        /// Which.
        path: String,
        /// Why.
        source: RulesetError,
    },
    /// The kernel refused to put them in force.
    #[error("failed to put Landlock in force")]
    Restrict(#[source] RulesetError),
}

/// Puts the rules in force for this process and all that it will start, as far as the kernel knows them. `kept` is a
/// directory that no path leads to, to which whoever has it open may do anything.
pub(crate) fn restrict(
    rules: &[PathRule],
    kept: Option<BorrowedFd<'_>>,
) -> Result<Vec<Enforcement>, LandlockError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|ruleset| ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal))
        .and_then(Ruleset::create)
        .map_err(LandlockError::Create)?;
    for PathRule { path, rights } in rules {
        let opened =
            PathFd::new(path).map_err(|source| LandlockError::Open { path: path.clone(), source })?;
        ruleset = ruleset
            .add_rule(PathBeneath::new(opened, access(*rights)))
            .map_err(|source| LandlockError::Add { path: path.clone(), source })?;
    }
    if let Some(kept) = kept {
        ruleset = ruleset.add_rule(PathBeneath::new(kept, access(PathRights::All))).map_err(|source| {
            LandlockError::Add { path: "what is written over the image".to_owned(), source }
        })?;
    }
    let status = ruleset.restrict_self().map_err(LandlockError::Restrict)?;
    let abi = match status.landlock {
        LandlockStatus::Available { effective_abi, kernel_abi } => {
            format!("ABI {}", kernel_abi.unwrap_or(effective_abi as i32))
        }
        LandlockStatus::NotEnabled => "not switched on in this kernel".to_owned(),
        _ => "not in this kernel".to_owned(),
    };
    let files = match status.ruleset {
        RulesetStatus::FullyEnforced => Enforcement::enforced(Mechanism::Landlock, abi),
        RulesetStatus::PartiallyEnforced => {
            Enforcement::partial(Mechanism::Landlock, format!("{abi}; all rules need ABI {}", NEWEST as i32))
        }
        RulesetStatus::NotEnforced => Enforcement::absent(Mechanism::Landlock, abi),
    };
    let tcp = Enforcement::not_requested(
        Mechanism::LandlockTcp,
        "the network namespace has loopback only; denying TCP there would break a sandbox's own servers",
    );
    Ok(vec![files, tcp])
}

fn access(rights: PathRights) -> BitFlags<AccessFs> {
    match rights {
        PathRights::List => AccessFs::ReadDir.into(),
        PathRights::Read => AccessFs::ReadDir | AccessFs::ReadFile,
        PathRights::Execute => AccessFs::from_read(NEWEST),
        PathRights::WriteExisting => AccessFs::ReadDir | AccessFs::ReadFile | AccessFs::WriteFile,
        PathRights::Devices => {
            AccessFs::ReadDir
                | AccessFs::ReadFile
                | AccessFs::WriteFile
                | AccessFs::Truncate
                | AccessFs::IoctlDev
        }
        PathRights::All => AccessFs::from_all(NEWEST) & !(AccessFs::MakeChar | AccessFs::MakeBlock),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_may_make_devices() {
        assert!(!access(PathRights::All).intersects(AccessFs::MakeChar | AccessFs::MakeBlock));
    }

    #[test]
    fn what_is_not_all_cannot_make_or_remove_a_file() {
        let changes = AccessFs::MakeReg | AccessFs::MakeDir | AccessFs::RemoveFile | AccessFs::RemoveDir;
        for rights in [
            PathRights::List,
            PathRights::Read,
            PathRights::Execute,
            PathRights::WriteExisting,
            PathRights::Devices,
        ] {
            assert!(!access(rights).intersects(changes), "{rights:?}");
        }
    }
}
