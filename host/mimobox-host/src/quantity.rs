//! Sizes, durations and processor shares as an operator writes them: each with its unit, in `mimobox.toml` and on the
//! command line alike.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// JavaScript guests see durations as numbers, which are exact up to 2^53 nanoseconds: 104 days.
const LONGEST: Duration = Duration::from_nanos(1 << 53);
const MILLICORES: f64 = 1000.0;
/// More than any machine has.
const MOST_CORES: f64 = 4096.0;

/// Those of bytes, as they are written.
const SIZE_UNITS: [&str; 10] = ["B", "kB", "KB", "KiB", "MB", "MiB", "GB", "GiB", "TB", "TiB"];

/// Bytes, written `512 MiB` or `1 GB`; above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) u64);

/// A duration, written `50 ms` or `10 min`; above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub(crate) Duration);

/// Thousandths of one core, written as cores: `2` or `0.5`; above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cores(pub(crate) u32);

/// Why a quantity is none. The messages say how to write one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QuantityError {
    #[error("`{0}` is no size: write a number and its unit, such as \"512 MiB\" or \"1 GiB\"")]
    Size(String),
    #[error("`{0}` is no duration: write a number and its unit, such as \"50 ms\", \"30 s\" or \"10 min\"")]
    Span(String),
    #[error("a duration of `{0}` is too long: at most 104 days")]
    TooLong(String),
    #[error("`{0}` is no number of processor cores: write one such as 2 or 0.5")]
    Cores(String),
    #[error("`{0}` is zero: it must be above")]
    Zero(String),
}

impl FromStr for Size {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        // The library takes a bare number as bytes, and a unit in any case: an operator may have meant gigabits.
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ' '));
        if !SIZE_UNITS.contains(&unit) {
            return Err(QuantityError::Size(text.to_owned()));
        }
        match text.parse::<ByteSize>() {
            Ok(ByteSize(0)) => Err(QuantityError::Zero(text.to_owned())),
            Ok(ByteSize(bytes)) => Ok(Self(bytes)),
            Err(_) => Err(QuantityError::Size(text.to_owned())),
        }
    }
}

impl FromStr for Span {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        match humantime::parse_duration(text) {
            Ok(Duration::ZERO) => Err(QuantityError::Zero(text.to_owned())),
            Ok(span) if span > LONGEST => Err(QuantityError::TooLong(text.to_owned())),
            Ok(span) => Ok(Self(span)),
            Err(_) => Err(QuantityError::Span(text.to_owned())),
        }
    }
}

impl FromStr for Cores {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let cores = text.parse::<f64>().map_err(|_| QuantityError::Cores(text.to_owned()))?;
        Self::from_cores(cores)
    }
}

impl Cores {
    fn from_cores(cores: f64) -> Result<Self, QuantityError> {
        if !(0.0..=MOST_CORES).contains(&cores) {
            return Err(QuantityError::Cores(cores.to_string()));
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to lie between zero and 4096 cores just above"
        )]
        match (cores * MILLICORES).round() as u32 {
            0 => Err(QuantityError::Zero(cores.to_string())),
            thousandths => Ok(Self(thousandths)),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", ByteSize(self.0).display().iec())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(self.0) / MILLICORES)
    }
}

/// Reads a quantity from a string, and from a bare number only as far as `from_number` makes sense of one.
struct QuantityVisitor<T> {
    expected: &'static str,
    from_number: fn(f64) -> Result<T, QuantityError>,
}

impl<T: FromStr<Err = QuantityError>> Visitor<'_> for QuantityVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        #[allow(clippy::cast_precision_loss, reason = "a number without a unit is refused or small")]
        (self.from_number)(number as f64).map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        (self.from_number)(number).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor {
            expected: "a size such as \"512 MiB\"",
            from_number: |number| Err(QuantityError::Size(number.to_string())),
        })
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor {
            expected: "a duration such as \"10 min\"",
            from_number: |number| Err(QuantityError::Span(number.to_string())),
        })
    }
}

impl<'de> Deserialize<'de> for Cores {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor {
            expected: "a number of processor cores such as 2 or 0.5",
            from_number: Self::from_cores,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_with_its_unit() {
        assert_eq!("512 MiB".parse(), Ok(Size(512 << 20)));
        assert_eq!("1GiB".parse(), Ok(Size(1 << 30)));
        assert_eq!("2 kB".parse(), Ok(Size(2000)));
        assert_eq!("7 B".parse(), Ok(Size(7)));
    }

    #[test]
    fn a_size_without_a_unit_or_with_a_wrong_one_is_refused() {
        for text in ["1 Gb", "512", "", "MiB", "512 min", "512 MiB/s", "-1 MiB", "1 MiB 2"] {
            assert_eq!(text.parse::<Size>(), Err(QuantityError::Size(text.into())));
        }
    }

    #[test]
    fn a_duration_is_read_with_its_unit() {
        assert_eq!("50 ms".parse(), Ok(Span(Duration::from_millis(50))));
        assert_eq!("10 min".parse(), Ok(Span(Duration::from_secs(600))));
        assert_eq!("1h 30m".parse(), Ok(Span(Duration::from_secs(5400))));
    }

    #[test]
    fn a_duration_without_a_unit_or_with_a_wrong_one_is_refused() {
        for text in ["10", "", "10 MiB", "ten min", "-1 s"] {
            assert_eq!(text.parse::<Span>(), Err(QuantityError::Span(text.into())));
        }
    }

    #[test]
    fn an_absurd_duration_is_refused() {
        assert_eq!("900 years".parse::<Span>(), Err(QuantityError::TooLong("900 years".into())));
    }

    #[test]
    fn zero_is_no_quantity() {
        assert_eq!("0 MiB".parse::<Size>(), Err(QuantityError::Zero("0 MiB".into())));
        assert_eq!("0 s".parse::<Span>(), Err(QuantityError::Zero("0 s".into())));
        assert_eq!("0".parse::<Cores>(), Err(QuantityError::Zero("0".into())));
    }

    #[test]
    fn cores_are_thousandths_of_one() {
        assert_eq!("0.5".parse(), Ok(Cores(500)));
        assert_eq!("2".parse(), Ok(Cores(2000)));
        for text in ["-1", "NaN", "inf", "1e9", "two"] {
            assert!(matches!(text.parse::<Cores>(), Err(QuantityError::Cores(_))), "{text}");
        }
    }

    #[test]
    fn a_quantity_is_shown_as_it_is_written() {
        assert_eq!(Size(512 << 20).to_string(), "512.0 MiB");
        assert_eq!(Span(Duration::from_secs(600)).to_string(), "10m");
        assert_eq!(Cores(1500).to_string(), "1.5");
    }
}
