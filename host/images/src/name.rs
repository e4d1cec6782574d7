//! What an image may be called.

use std::fmt;
use std::str::FromStr;

/// It goes into specs, the audit log and reports, and is a folder's name.
const LONGEST: usize = 64;
/// What every backend calls the machine's own programs.
const RESERVED: &str = "host";

/// An image's name: letters, digits, `-`, `_` and `.`, none of them a leading dot.
///
/// A leading dot is the store's own: folders that are still being filled or on their way out have one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageName(String);

/// Why a text is no image's name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageNameError {
    /// It has none of the right form.
    #[error(
        "`{0}` is no name of an image: letters, digits, `-`, `_` and `.`, the first no dot, at most {LONGEST}"
    )]
    Malformed(String),
    /// It means something else already.
    #[error("`{RESERVED}` is the machine's own root: choose another name")]
    Reserved,
}

impl ImageName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageName {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let well_formed =
            !text.is_empty() && text.len() <= LONGEST && !text.starts_with('.') && text.chars().all(fits);
        match text {
            RESERVED => Err(ImageNameError::Reserved),
            _ if well_formed => Ok(Self(text.to_owned())),
            _ => Err(ImageNameError::Malformed(text.escape_debug().take(LONGEST).collect())),
        }
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_plain_folder() {
        for name in ["debian", "alpine-3.20", "a", "A_b.c"] {
            assert_eq!(name.parse::<ImageName>().unwrap().as_str(), name);
        }
        let long = "x".repeat(65);
        for name in ["", ".", "..", ".hidden", "a/b", "a b", "ä", "a\n", "a\0", long.as_str()] {
            assert!(matches!(name.parse::<ImageName>(), Err(ImageNameError::Malformed(_))), "{name:?}");
        }
    }

    #[test]
    fn the_machines_own_root_is_no_image_of_the_store() {
        assert_eq!("host".parse::<ImageName>(), Err(ImageNameError::Reserved));
    }
}
