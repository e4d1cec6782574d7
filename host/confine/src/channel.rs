//! How plan and report travel over the socket before the agent protocol begins: a length, then so many bytes of postcard.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most bytes of a plan or a report, without its length.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// Bytes of a length.
pub const HEADER: usize = 4;

/// A plan or report did not get through.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// It is more than [`MAX_MESSAGE`].
    #[error("failed to frame a message of {0} bytes: {MAX_MESSAGE} is the most")]
    TooLong(usize),
    /// It cannot be written as bytes.
    #[error("failed to encode a message")]
    Encode(#[source] postcard::Error),
    /// The bytes are no such message.
    #[error("failed to decode a message")]
    Decode(#[source] postcard::Error),
}

/// A message with its length before it: four bytes, little-endian.
///
/// # Errors
/// `TooLong`, `Encode`.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, ChannelError> {
    let bytes = postcard::to_allocvec(message).map_err(ChannelError::Encode)?;
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    if bytes.len() > MAX_MESSAGE {
        return Err(ChannelError::TooLong(bytes.len()));
    }
    let mut framed = Vec::with_capacity(bytes.len() + HEADER);
    framed.extend_from_slice(&length.to_le_bytes());
    framed.extend_from_slice(&bytes);
    Ok(framed)
}

/// How many bytes follow these first four.
///
/// # Errors
/// `TooLong`.
pub fn length(header: [u8; HEADER]) -> Result<usize, ChannelError> {
    let length = usize::try_from(u32::from_le_bytes(header)).unwrap_or(usize::MAX);
    if length > MAX_MESSAGE { Err(ChannelError::TooLong(length)) } else { Ok(length) }
}

/// The message in the bytes that followed.
///
/// # Errors
/// `Decode`.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, ChannelError> {
    postcard::from_bytes(body).map_err(ChannelError::Decode)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Plan, Step};

    #[test]
    fn a_plan_survives_the_way() {
        let plan = Plan { steps: vec![Step::BecomeRoot, Step::HostName("box".into()), Step::EnterRoot] };
        let bytes = encode(&plan).unwrap();
        let (header, body) = bytes.split_first_chunk().unwrap();
        assert_eq!(length(*header).unwrap(), body.len());
        assert_eq!(decode::<Plan>(body).unwrap(), plan);
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_anything_is_allocated() {
        assert!(matches!(length(u32::MAX.to_le_bytes()), Err(ChannelError::TooLong(_))));
    }

    #[test]
    fn a_message_that_ends_early_is_refused() {
        let bytes = encode(&Plan { steps: vec![Step::HostName("box".into())] }).unwrap();
        assert!(matches!(decode::<Plan>(&bytes[HEADER..bytes.len() - 1]), Err(ChannelError::Decode(_))));
    }

    #[test]
    fn a_message_over_the_limit_is_not_sent() {
        let plan = Plan { steps: vec![Step::HostName("x".repeat(MAX_MESSAGE))] };
        assert!(matches!(encode(&plan), Err(ChannelError::TooLong(_))));
    }
}
