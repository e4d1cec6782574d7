//! What must hold for any bytes that are given as a saved machine. Used by the fuzz target and by an ordinary test.

use mimobox_vmm::{MAX_STATE, check_state};
use mimobox_vmm_protocol::StateFailure;
use sha2::{Digest, Sha256};

/// Bytes before the state: magic, version, length, checksum. `host/vmm/src/state.rs` has the picture.
pub(crate) const HEADER: usize = 48;

/// Panics if bytes are accepted that are none, or refused for a reason that is not theirs. Whatever they are, they are
/// looked at without a panic: as they come, and as the contents of a state that is whole.
pub(crate) fn check(bytes: &[u8]) {
    let answer = check_state(bytes);
    if bytes.len() > MAX_STATE {
        assert_eq!(answer, Err(StateFailure::TooLong));
    } else if bytes.get(..8) != Some(b"MIMOVMS\0") {
        assert_eq!(answer, Err(StateFailure::Unrecognised));
    }
    let answer = check_state(&whole(bytes));
    assert!(matches!(answer, Ok(()) | Err(StateFailure::Damaged | StateFailure::TooLong)), "{answer:?}");
}

/// A state with these contents, of the right length and checksum.
pub(crate) fn whole(contents: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from(*b"MIMOVMS\0");
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(u32::try_from(contents.len()).expect("inputs are short").to_le_bytes());
    bytes.extend(Sha256::digest(contents));
    assert_eq!(bytes.len(), HEADER);
    bytes.extend(contents);
    bytes
}
