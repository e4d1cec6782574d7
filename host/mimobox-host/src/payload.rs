//! Bytes in JSON: as text where they are text, and in base64 where they are not.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// `{"text": "…"}` or `{"base64": "…"}`: a program that reads it can't take the one for the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload<'a>(pub(crate) &'a [u8]);

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match std::str::from_utf8(self.0) {
            Ok(text) => map.serialize_entry("text", text)?,
            Err(_) => map.serialize_entry("base64", &BASE64_STANDARD.encode(self.0))?,
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_other_bytes_become_base64() {
        assert_eq!(serde_json::to_string(&Payload("grün\n".as_bytes())).unwrap(), r#"{"text":"grün\n"}"#);
        assert_eq!(serde_json::to_string(&Payload(&[0xff, 0])).unwrap(), r#"{"base64":"/wA="}"#);
    }
}
