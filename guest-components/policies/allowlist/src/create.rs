//! What sandboxes may be made.

use alloc::format;

use mimobox_policy::{Creation, Narrowing, Verdict};

use crate::Denial;
use crate::pattern::any_matches;
use crate::rules::Create;

/// `sandboxes`: how many the component has already.
pub(crate) fn decide(rules: &Create<'_>, creation: &Creation, sandboxes: u32) -> Result<Verdict, Denial> {
    let is_not_listed = |name: &str| format!("{name} is not on the list");
    if !rules.isolation.contains(&creation.isolation.as_str()) {
        return Err(Denial::new("isolation-not-listed", is_not_listed(&creation.isolation)));
    }
    if !rules.images.contains(&creation.image.as_str()) {
        return Err(Denial::new("image-not-listed", is_not_listed(&creation.image)));
    }
    if let Some(volume) = creation.volumes.iter().find(|volume| !rules.volumes.contains(&volume.as_str())) {
        return Err(Denial::new("volume-not-listed", is_not_listed(volume)));
    }
    if let Some(host) = creation.hosts.iter().find(|host| !any_matches(&rules.hosts, host)) {
        return Err(Denial::new("host-not-listed", is_not_listed(host)));
    }
    if rules.sandboxes.is_some_and(|most| sandboxes >= most) {
        return Err(Denial::new("too-many-sandboxes", format!("it has {sandboxes} already")));
    }
    let narrowing = Narrowing {
        memory: rules.memory,
        cpu: rules.cpu,
        processes: rules.processes,
        timeout: rules.lifetime,
        ..Narrowing::NONE
    };
    Ok(Verdict::narrow("create", narrowing))
}
