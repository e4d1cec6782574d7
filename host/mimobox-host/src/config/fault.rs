//! What is wrong with a configuration, where, and what was probably meant.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Beyond this many edits a name is another word, not a slip.
const FARTHEST_SLIP: usize = 3;

/// Why there is no configuration. Every message about the text names its place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("failed to read the configuration {path}", path = .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("unknown key `{key}` at {place}{hint}")]
    UnknownKey { key: String, place: Place, hint: Hint },
    #[error("unknown {kind} `{name}` at {place}{hint}")]
    UnknownName { kind: &'static str, name: String, place: Place, hint: Hint },
    #[error("at {place}: {message}")]
    Malformed { message: String, place: Place },
    #[error("the default {name} of {default} at {place} is above the ceiling's {ceiling}")]
    DefaultAboveCeiling { name: &'static str, default: String, ceiling: String, place: Place },
}

/// A line and a column of a file, both counted from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    file: PathBuf,
    line: usize,
    column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// What may stand instead of an unknown name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// The nearest one.
    DidYouMean(String),
    /// All of them: none is near.
    OneOf(Vec<String>),
}

impl Hint {
    pub(super) fn among<S: AsRef<str>>(name: &str, known: &[S]) -> Self {
        let distance = |candidate: &S| strsim::damerau_levenshtein(name, candidate.as_ref());
        let nearest = known.iter().min_by_key(|candidate| distance(candidate));
        match nearest {
            Some(nearest) if distance(nearest) <= FARTHEST_SLIP.min(name.chars().count() / 2) => {
                Self::DidYouMean(nearest.as_ref().to_owned())
            }
            _ => Self::OneOf(known.iter().map(|name| name.as_ref().to_owned()).collect()),
        }
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DidYouMean(name) => write!(f, "; did you mean `{name}`?"),
            Self::OneOf(names) if names.is_empty() => Ok(()),
            Self::OneOf(names) => write!(f, "; known are `{}`", names.join("`, `")),
        }
    }
}

/// The text of a configuration, to find places in.
pub(super) struct Source<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// The place of the byte range that the parser gives.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Place { file: self.file.to_owned(), line: before.matches('\n').count() + 1, column }
    }

    /// The parser's error in our words.
    pub(super) fn fault(&self, error: &toml::de::Error) -> ConfigError {
        let place = self.place(&error.span().unwrap_or(0..0));
        match Unknown::read(error.message()) {
            Some(Unknown { what: "field", name, known }) => {
                ConfigError::UnknownKey { hint: Hint::among(name, &known), key: name.to_owned(), place }
            }
            Some(Unknown { name, known, .. }) => ConfigError::UnknownName {
                kind: "value",
                hint: Hint::among(name, &known),
                name: name.to_owned(),
                place,
            },
            None => ConfigError::Malformed { message: error.message().to_owned(), place },
        }
    }

    pub(super) fn unknown(
        &self,
        kind: &'static str,
        name: &toml::Spanned<String>,
        known: &[&str],
    ) -> ConfigError {
        ConfigError::UnknownName {
            kind,
            hint: Hint::among(name.get_ref(), known),
            name: name.get_ref().clone(),
            place: self.place(&name.span()),
        }
    }

    pub(super) fn malformed(&self, span: &Range<usize>, message: impl Into<String>) -> ConfigError {
        ConfigError::Malformed { message: message.into(), place: self.place(span) }
    }
}

/// serde's complaint about a name: "unknown field `x`, expected `a` or `b`".
///
/// The parser keeps of it only the text. Were serde to word it otherwise, the text itself would be shown, and the tests
/// of this file would say so.
struct Unknown<'a> {
    what: &'a str,
    name: &'a str,
    known: Vec<&'a str>,
}

impl<'a> Unknown<'a> {
    fn read(message: &'a str) -> Option<Self> {
        let (what, rest) = message.strip_prefix("unknown ")?.split_once(" `")?;
        let (name, expected) = rest.split_once("`, expected ")?;
        let known = expected.split('`').skip(1).step_by(2).collect();
        Some(Self { what, name, known })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_from_one_in_characters() {
        let source = Source { file: Path::new("f"), text: "a = 1\n\"ü\" = 2\n" };
        assert_eq!(source.place(&(0..1)).to_string(), "f:1:1");
        assert_eq!(source.place(&(6..7)).to_string(), "f:2:1");
        assert_eq!(source.place(&(13..14)).to_string(), "f:2:7");
        assert_eq!(source.place(&(900..901)).to_string(), "f:3:1");
    }

    #[test]
    fn a_slip_is_answered_with_the_nearest_name() {
        assert_eq!(Hint::among("memmory", &["cpu", "memory"]), Hint::DidYouMean("memory".into()));
        assert_eq!(Hint::among("disc", &["disk", "cpu"]), Hint::DidYouMean("disk".into()));
    }

    #[test]
    fn another_word_is_answered_with_all_names() {
        assert_eq!(Hint::among("egress", &["cpu", "disk"]), Hint::OneOf(vec!["cpu".into(), "disk".into()]));
    }
}
