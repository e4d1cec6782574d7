//! What a test needs of the machine. A missing need is a reported skip for a developer, and a failure in CI.

use std::fs::File;
use std::path::Path;
use std::process::Command;

/// Something that not every machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// User 0, for sandboxes of isolation `os`.
    Root,
    /// The agent, named in `$MIMOBOX_AGENT`, for programs that embed the library.
    Agent,
    /// `/dev/kvm`, for sandboxes of isolation `micro-vm`.
    Kvm,
}

impl Requirement {
    fn is_met(self) -> bool {
        match self {
            Self::Root => {
                #[allow(clippy::disallowed_methods, reason = "asks the machine who this is")]
                let id = Command::new("id").arg("-u").output().unwrap();
                id.stdout.trim_ascii() == b"0"
            }
            Self::Kvm => File::options().read(true).write(true).open("/dev/kvm").is_ok(),
            Self::Agent => std::env::var_os("MIMOBOX_AGENT").is_some_and(|agent| Path::new(&agent).is_file()),
        }
    }
}

/// Whether the machine has it. Where it does not: false, with the reason printed; in CI (`CI=true`) that is a failure.
pub fn met(requirement: Requirement) -> bool {
    if requirement.is_met() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "this machine should have {requirement:?}");
    eprintln!("skipped: needs {requirement:?}");
    false
}

/// Whether a program that embeds the library can make sandboxes here. See [`met`].
pub fn can_sandbox() -> bool {
    met(Requirement::Root) && met(Requirement::Agent)
}
