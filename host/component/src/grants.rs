//! Which interfaces a component may import: what this host has, and what the operator granted of it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The interfaces of `mimobox:host` that an operator grants by name.
///
/// `types`, `timer` and `log` are not among them: they reach nothing outside the component, so every component has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostInterface {
    /// Make sandboxes.
    Sandbox,
    /// Run a command to its end.
    Execute,
    /// Talk to a command while it runs.
    Stream,
    /// Run a command on a pseudo-terminal.
    Pty,
    /// Read, write and watch the files of a sandbox.
    Files,
    /// Save, restore and multiply a sandbox.
    Snapshot,
    /// Send a request through the host's proxy.
    Http,
}

impl HostInterface {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Sandbox, Self::Execute, Self::Stream, Self::Pty, Self::Files, Self::Snapshot, Self::Http];

    /// As in `mimobox:host/<name>`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Execute => "execute",
            Self::Stream => "stream",
            Self::Pty => "pty",
            Self::Files => "files",
            Self::Snapshot => "snapshot",
            Self::Http => "http",
        }
    }
}

impl fmt::Display for HostInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for HostInterface {
    type Err = UnknownInterface;

    fn from_str(name: &str) -> Result<Self, UnknownInterface> {
        Self::ALL
            .into_iter()
            .find(|interface| interface.name() == name)
            .ok_or_else(|| UnknownInterface(name.into()))
    }
}

/// A name that is no grantable interface.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no interface {0:?} that could be granted")]
pub struct UnknownInterface(String);

/// What the operator grants to one component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(BTreeSet<HostInterface>);

impl Grants {
    /// Every interface of `mimobox:host`.
    pub fn all() -> Self {
        HostInterface::ALL.into_iter().collect()
    }

    /// Whether `interface` was granted. `sandbox` comes with any other one: each of them names its handle.
    pub fn contains(&self, interface: HostInterface) -> bool {
        self.0.contains(&interface) || (interface == HostInterface::Sandbox && !self.0.is_empty())
    }

    /// What stands in the way of a component with these imports: all of it, not just the first.
    pub fn check<'a>(&self, imports: impl IntoIterator<Item = &'a str>) -> Result<(), ImportsRefused> {
        let mut refused = ImportsRefused::default();
        for import in imports {
            match Offer::of(import) {
                None => refused.unknown.push(import.to_owned()),
                Some(Offer::Grantable(interface)) if !self.contains(interface) => {
                    refused.not_granted.push(import.to_owned());
                }
                Some(Offer::Grantable(_) | Offer::Always) => {}
            }
        }
        if refused == ImportsRefused::default() { Ok(()) } else { Err(refused) }
    }
}

impl FromIterator<HostInterface> for Grants {
    fn from_iter<I: IntoIterator<Item = HostInterface>>(interfaces: I) -> Self {
        Self(interfaces.into_iter().collect())
    }
}

/// The imports for which a component is not even instantiated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportsRefused {
    /// Those that this host does not have.
    pub unknown: Vec<String>,
    /// Those that it has, and that the operator did not grant.
    pub not_granted: Vec<String>,
}

impl std::error::Error for ImportsRefused {}

impl fmt::Display for ImportsRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.unknown.is_empty() {
            write!(f, "it imports what this host does not have: {}", List(&self.unknown))?;
        }
        if !self.unknown.is_empty() && !self.not_granted.is_empty() {
            f.write_str("; ")?;
        }
        if !self.not_granted.is_empty() {
            write!(f, "it imports what the operator did not grant: {}", List(&self.not_granted))?;
        }
        Ok(())
    }
}

/// Names on one line. The component chose them, so many or long ones are cut.
pub(crate) struct List<'a>(pub(crate) &'a [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 32;
        const LONGEST: usize = 128;
        for (place, name) in self.0.iter().take(MOST).enumerate() {
            let name = crate::escaped::Escaped { text: name, most: LONGEST };
            write!(f, "{}{name}", if place == 0 { "" } else { ", " })?;
        }
        if self.0.len() > MOST { write!(f, " and {} more", self.0.len() - MOST) } else { Ok(()) }
    }
}

/// How this host offers an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    /// To every component.
    Always,
    /// To those that the operator named it for.
    Grantable(HostInterface),
}

/// The interfaces of WASI that every component has, by package and by the versions that are compatible.
///
/// They reach nothing: standard output and error go where the embedder says; the environment and standard input are empty;
/// there is no directory to open; every socket is refused. The last three are here because the standard libraries of
/// ordinary toolchains import them whether a program uses them or not.
const WASI: [(&str, &str, &[&str]); 11] = [
    ("wasi:cli", "0.2", &CLI),
    ("wasi:cli", "0.3", &CLI),
    ("wasi:clocks", "0.2", &["monotonic-clock", "wall-clock"]),
    ("wasi:clocks", "0.3", &["monotonic-clock", "system-clock", "types"]),
    ("wasi:filesystem", "0.2", &["preopens", "types"]),
    ("wasi:filesystem", "0.3", &["preopens", "types"]),
    ("wasi:io", "0.2", &["error", "poll", "streams"]),
    ("wasi:random", "0.2", &["insecure", "insecure-seed", "random"]),
    ("wasi:random", "0.3", &["insecure", "insecure-seed", "random"]),
    (
        "wasi:sockets",
        "0.2",
        &[
            "instance-network",
            "ip-name-lookup",
            "network",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
        ],
    ),
    ("wasi:sockets", "0.3", &["ip-name-lookup", "types"]),
];

const CLI: [&str; 10] = [
    "environment",
    "exit",
    "stderr",
    "stdin",
    "stdout",
    "terminal-input",
    "terminal-output",
    "terminal-stderr",
    "terminal-stdin",
    "terminal-stdout",
];

impl Offer {
    /// None: this host does not have it.
    fn of(import: &str) -> Option<Self> {
        let (path, version) = import.split_once('@')?;
        let (package, interface) = path.split_once('/')?;
        let compatible = compatible_versions(version)?;
        if package == "mimobox:host" {
            return match interface {
                _ if compatible != "0.1" => None,
                "types" | "timer" | "log" => Some(Self::Always),
                name => name.parse().ok().map(Self::Grantable),
            };
        }
        WASI.iter()
            .any(|(name, versions, interfaces)| {
                *name == package && *versions == compatible && interfaces.contains(&interface)
            })
            .then_some(Self::Always)
    }
}

/// `0.2` of `0.2.7`: before 1.0 a new minor version breaks (semver.org, item 4). None of anything less plain.
fn compatible_versions(version: &str) -> Option<&str> {
    let (minor, patch) = version.rsplit_once('.')?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (major, minor_number) = minor.split_once('.')?;
    (major == "0" && is_number(minor_number) && is_number(patch)).then_some(minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grantable_interface_has_a_name_that_leads_back_to_it() {
        for interface in HostInterface::ALL {
            assert_eq!(interface.name().parse(), Ok(interface));
        }
        assert_eq!("timer".parse::<HostInterface>(), Err(UnknownInterface("timer".into())));
    }

    #[test]
    fn what_reaches_nothing_needs_no_grant() {
        let harmless = [
            "mimobox:host/types@0.1.0",
            "mimobox:host/timer@0.1.0",
            "wasi:cli/stdout@0.2.6",
            "wasi:io/poll@0.2.0",
        ];
        assert_eq!(Grants::default().check(harmless), Ok(()));
    }

    #[test]
    fn a_grant_brings_the_handle_that_it_speaks_of() {
        let imports = ["mimobox:host/sandbox@0.1.0", "mimobox:host/execute@0.1.0"];
        assert_eq!(Grants::from_iter([HostInterface::Execute]).check(imports), Ok(()));
    }

    #[test]
    fn every_refused_import_is_named_with_its_reason() {
        let imports = [
            "mimobox:host/execute@0.1.0",
            "mimobox:host/http@0.1.0",
            "mimobox:host/pty@0.1.0",
            "wasi:http/outgoing-handler@0.2.0",
            "acme:rocket/launch@1.0.0",
        ];
        let refused = Grants::from_iter([HostInterface::Execute]).check(imports).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "it imports what this host does not have: wasi:http/outgoing-handler@0.2.0, acme:rocket/launch@1.0.0; \
             it imports what the operator did not grant: mimobox:host/http@0.1.0, mimobox:host/pty@0.1.0",
        );
    }

    #[test]
    fn a_version_that_breaks_is_another_interface() {
        for import in [
            "mimobox:host/execute@0.2.0",
            "mimobox:host/execute",
            "mimobox:host/execute@0.1.0-draft",
            "wasi:cli/stdout@0.4.0",
            "wasi:cli/stdout@1.0.0",
            "wasi:io/streams@0.3.0",
        ] {
            let refused = Grants::all().check([import]).unwrap_err();
            assert_eq!(refused.unknown, [import]);
        }
        assert_eq!(Grants::all().check(["mimobox:host/execute@0.1.7", "wasi:cli/stdout@0.3.0"]), Ok(()));
    }
}
