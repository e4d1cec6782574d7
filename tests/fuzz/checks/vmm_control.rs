//! What must hold for any packet on a VMM's control socket. Used by the fuzz target and by an ordinary test.

use std::fmt::Debug;

use mimobox_vmm_protocol::{Event, Probe, ProbeFailure, Request, decode, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Panics if a message that was understood does not survive being said again, or if a configuration that passes its check
/// wants more descriptors than a packet may bring.
pub(crate) fn check(packet: &[u8]) {
    check_as::<Event>(packet);
    check_as::<Result<Probe, ProbeFailure>>(packet);
    if let Some(Request::Configure(config)) = check_as::<Request>(packet)
        && config.check().is_ok()
    {
        assert!(config.descriptors().len() <= mimobox_vmm_protocol::MAX_DESCRIPTORS);
    }
}

fn check_as<T: DeserializeOwned + Serialize + PartialEq + Debug>(packet: &[u8]) -> Option<T> {
    let message = decode::<T>(packet).ok()?;
    // Postcard takes numbers in longer forms than it writes, so what was said again is no longer.
    let again = encode(&message).expect("what fitted a packet fits one again");
    assert!(again.len() <= packet.len());
    assert_eq!(decode::<T>(&again).as_ref(), Ok(&message));
    Some(message)
}
