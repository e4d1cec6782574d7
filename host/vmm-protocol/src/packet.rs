//! Packets: one message of postcard each. The socket keeps their borders.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::MAX_DISKS;

/// Most bytes of a packet.
pub const MAX_PACKET: usize = 64 * 1024;

/// Most bytes of a text for people in a message.
pub const MAX_TEXT: usize = 1024;

/// Most descriptors that come with a packet: `/dev/kvm`, memory, kernel or state, agent, log, and the disks.
pub const MAX_DESCRIPTORS: usize = 5 + MAX_DISKS;

/// A message could not be made into a packet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It would be longer than [`MAX_PACKET`].
    #[error("failed to encode a message: {0} bytes are more than a packet holds")]
    TooLong(usize),
    /// It cannot be serialised.
    #[error("failed to encode a message")]
    Message(#[source] postcard::Error),
}

/// A packet is no message. Nothing that the other end says can be trusted from here on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is longer than [`MAX_PACKET`].
    #[error("failed to decode a packet of {0} bytes")]
    TooLong(usize),
    /// It is not a message of the expected type.
    #[error("failed to decode a message")]
    Message(#[source] postcard::Error),
    /// It goes on after the message.
    #[error("failed to decode a packet: {0} bytes after the message")]
    TrailingBytes(usize),
}

/// A message as the bytes of a packet.
///
/// # Errors
/// If it is too long for one.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, EncodeError> {
    let bytes = postcard::to_allocvec(message).map_err(EncodeError::Message)?;
    if bytes.len() > MAX_PACKET { Err(EncodeError::TooLong(bytes.len())) } else { Ok(bytes) }
}

/// The message that a packet is.
///
/// # Errors
/// If it is not one, or not one alone.
pub fn decode<T: DeserializeOwned>(packet: &[u8]) -> Result<T, DecodeError> {
    if packet.len() > MAX_PACKET {
        return Err(DecodeError::TooLong(packet.len()));
    }
    let (message, rest) = postcard::take_from_bytes(packet).map_err(DecodeError::Message)?;
    if rest.is_empty() { Ok(message) } else { Err(DecodeError::TrailingBytes(rest.len())) }
}

/// A text for people, cut to [`MAX_TEXT`].
#[must_use]
pub fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

    use super::*;
    use crate::Request;

    #[test]
    fn a_message_survives_the_way() {
        let packet = encode(&Request::Pause).unwrap();
        assert_eq!(decode::<Request>(&packet), Ok(Request::Pause));
    }

    #[test]
    fn bytes_after_the_message_are_refused() {
        let mut packet = encode(&Request::Pause).unwrap();
        packet.push(0);
        assert_eq!(decode::<Request>(&packet), Err(DecodeError::TrailingBytes(1)));
    }

    #[test]
    fn a_packet_over_the_limit_is_refused_both_ways() {
        let long = vec![0_u8; MAX_PACKET + 1];
        assert_eq!(decode::<Request>(&long), Err(DecodeError::TooLong(MAX_PACKET + 1)));
        assert!(matches!(encode(&long), Err(EncodeError::TooLong(_))));
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("é".repeat(MAX_TEXT)).len(), MAX_TEXT);
        assert_eq!(cut(format!("a{}", "é".repeat(MAX_TEXT))).len(), MAX_TEXT - 1);
    }
}
