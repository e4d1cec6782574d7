//! Frames: a length of four bytes, least significant first, then that many bytes of postcard.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most bytes after the length. A spawn is the longest message; the kernel's own limit for one argument is half
/// of this (`MAX_ARG_STRLEN`, execve(2)).
pub const MAX_FRAME: usize = 256 * 1024;

const HEADER: usize = size_of::<u32>();

/// A message could not be made into a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It would be longer than [`MAX_FRAME`].
    #[error("failed to encode a message: longer than a frame")]
    TooLong,
    /// It cannot be serialised.
    #[error("failed to encode a message")]
    Message(#[source] postcard::Error),
}

/// Bytes from the other end are not a frame. Nothing that follows them can be trusted: close the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The announced length is beyond [`MAX_FRAME`].
    #[error("failed to decode a frame: {announced} bytes announced")]
    TooLong {
        /// What the length said.
        announced: u32,
    },
    /// The body is not a message of the expected type.
    #[error("failed to decode a message")]
    Message(#[source] postcard::Error),
    /// The body goes on after the message.
    #[error("failed to decode a frame: {0} bytes after the message")]
    TrailingBytes(usize),
}

/// One message as the bytes of one frame.
///
/// # Errors
/// If the message is too long for a frame.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, EncodeError> {
    let mut frame = postcard::to_extend(message, vec![0; HEADER]).map_err(EncodeError::Message)?;
    let body = frame.len().saturating_sub(HEADER);
    let length = u32::try_from(body).ok().filter(|_| body <= MAX_FRAME).ok_or(EncodeError::TooLong)?;
    for (place, byte) in frame.iter_mut().zip(length.to_le_bytes()) {
        *place = byte;
    }
    Ok(frame)
}

/// Puts frames back together from bytes that were split anywhere.
///
/// It holds at most one unfinished frame, so what it allocates is bounded by [`MAX_FRAME`] and by the bytes that
/// really came: an announced length alone reserves nothing.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The unfinished frame, length and all.
    partial: Vec<u8>,
}

impl Decoder {
    /// A decoder at the start of a frame.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes off the front of `input` up to the end of one frame and returns its message, or takes them
    /// all and returns `None`. Call until `None`.
    ///
    /// # Errors
    /// If the bytes are not a frame. The decoder is of no further use then.
    pub fn next<T: DeserializeOwned>(&mut self, input: &mut &[u8]) -> Result<Option<T>, DecodeError> {
        if self.partial.is_empty()
            && let Some((message, rest)) = whole_frame(input)?
        {
            // The usual case: a whole frame at once, decoded where it lies.
            *input = rest;
            return Ok(Some(message));
        }
        self.fill(HEADER, input);
        let Some(length) = announced(&self.partial)? else { return Ok(None) };
        self.fill(HEADER.saturating_add(length), input);
        let Some((message, _)) = whole_frame(&self.partial)? else { return Ok(None) };
        self.partial.clear();
        Ok(Some(message))
    }

    /// Whether the bytes so far end with a whole frame, so that the other end may go without loss.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.partial.is_empty()
    }

    /// Moves bytes from `input` until `partial` holds `wanted`, or `input` is empty.
    fn fill(&mut self, wanted: usize, input: &mut &[u8]) {
        let missing = wanted.saturating_sub(self.partial.len());
        let (taken, rest) = input.split_at(missing.min(input.len()));
        self.partial.extend_from_slice(taken);
        *input = rest;
    }
}

/// The length that a frame announces, once its four bytes are there.
fn announced(bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
    let Some(header) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
    let announced = u32::from_le_bytes(*header);
    match usize::try_from(announced) {
        Ok(length) if length <= MAX_FRAME => Ok(Some(length)),
        _ => Err(DecodeError::TooLong { announced }),
    }
}

/// The message of the frame that `bytes` starts with, and what follows it, once all of the frame is there.
fn whole_frame<T: DeserializeOwned>(bytes: &[u8]) -> Result<Option<(T, &[u8])>, DecodeError> {
    let Some(length) = announced(bytes)? else { return Ok(None) };
    let Some((body, rest)) = bytes.get(HEADER..).and_then(|body| body.split_at_checked(length)) else {
        return Ok(None);
    };
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(Some((message, rest))),
        Ok((_, trailing)) => Err(DecodeError::TrailingBytes(trailing.len())),
        Err(error) => Err(DecodeError::Message(error)),
    }
}
