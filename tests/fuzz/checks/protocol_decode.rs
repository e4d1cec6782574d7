//! What must hold for any bytes that come over a connection. Used by the fuzz target and by an ordinary test.

use std::fmt::Debug;

use mimobox_protocol::{
    DecodeError, Decoder, FileEntry, Hello, Request, Response, SetUp, SetUpAnswer, WatchMessage, encode,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Panics if `bytes` are understood differently when they arrive differently, or if a message that was
/// understood does not survive being said again.
pub(crate) fn check(bytes: &[u8]) {
    check_as::<Request>(bytes);
    check_as::<Response>(bytes);
    check_as::<Hello>(bytes);
    check_as::<FileEntry>(bytes);
    check_as::<WatchMessage>(bytes);
    check_as::<SetUp>(bytes);
    check_as::<SetUpAnswer>(bytes);
}

fn check_as<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) {
    let (messages, error) = decode::<T>([bytes]);
    assert_eq!(decode(bytes.chunks(1)), (messages, error.clone()), "byte by byte");
    // Where to split is up to the input itself.
    let size = bytes.first().map_or(1, |byte| usize::from(*byte) + 1);
    let (messages, again) = decode::<T>(bytes.chunks(size));
    assert_eq!(again, error, "in chunks of {size}");
    for message in messages {
        let frame = encode(&message).expect("what fitted a frame fits one again");
        assert_eq!(decode([&frame[..]]), (vec![message], None));
    }
}

/// All messages up to the first error.
fn decode<'a, T: DeserializeOwned>(
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<T>, Option<DecodeError>) {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    for mut input in parts {
        loop {
            match decoder.next(&mut input) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
        assert!(input.is_empty(), "bytes were left over");
    }
    (messages, None)
}
