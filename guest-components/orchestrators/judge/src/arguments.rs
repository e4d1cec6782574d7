//! What the judge is asked for on the command line.

use std::str::FromStr;
use std::time::Duration;

/// Shown for `--help`.
pub(crate) const USAGE: &str = "\
Runs every program of the volume `submissions` in a sandbox of its own and says what came of it.

  --json             the findings as data
  --jobs NUMBER      programs at a time (4)
  --timeout SECONDS  for each program (10)
  --progress         progress on standard error even where that is no terminal
";

pub(crate) struct Arguments {
    pub(crate) json: bool,
    pub(crate) progress: bool,
    /// Programs at a time.
    pub(crate) jobs: usize,
    /// For one program.
    pub(crate) timeout: Duration,
}

impl Arguments {
    /// None: the user wants to read the usage.
    pub(crate) fn parse(words: &[String]) -> Result<Option<Self>, String> {
        let mut arguments = Self { json: false, progress: false, jobs: 4, timeout: Duration::from_secs(10) };
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                "--json" => arguments.json = true,
                "--progress" => arguments.progress = true,
                "--jobs" => arguments.jobs = number(word, words.next())?,
                "--timeout" => arguments.timeout = Duration::from_secs(number(word, words.next())?),
                "--help" => return Ok(None),
                unknown => {
                    return Err(format!("unknown argument {unknown:?}; --help lists those that are known"));
                }
            }
        }
        Ok(Some(arguments))
    }
}

fn number<N: FromStr + Default + PartialEq>(option: &str, value: Option<&str>) -> Result<N, String> {
    value
        .and_then(|value| value.parse().ok())
        .filter(|number| *number != N::default())
        .ok_or_else(|| format!("{option} needs a number from 1 up"))
}

#[cfg(test)]
mod tests {
    use super::Arguments;

    fn parse(line: &str) -> Result<Option<Arguments>, String> {
        Arguments::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_taken() {
        let arguments = parse("--json --jobs 8 --timeout 3").unwrap().unwrap();
        assert!(arguments.json && !arguments.progress);
        assert_eq!((arguments.jobs, arguments.timeout.as_secs()), (8, 3));
        assert!(parse("--help").unwrap().is_none());
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--jobs", "--jobs 0", "--jobs many", "--timeout -1", "folder"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
