//! What should come of each program, as `expected.toml` beside them says:
//!
//! ```toml
//! [[program]]
//! name = "hostile-reader.py"
//! outcome = "ok"              # a name of `Kind`
//! exit-code = 0               # optional
//! rule = "…"                  # optional: the rule that denied it
//! output = "contained"        # optional: a part of what it writes to standard output
//! ```

use serde::Deserialize;

use crate::outcome::{Finding, Kind};

/// All of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expectations {
    #[serde(default, rename = "program")]
    programs: Vec<Expectation>,
}

/// What should come of one program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Expectation {
    pub(crate) name: String,
    outcome: Kind,
    exit_code: Option<u8>,
    rule: Option<String>,
    output: Option<String>,
}

impl Expectations {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| format!("expected.toml is not as it should be: {error}"))
    }

    /// What is expected of the program with this name.
    pub(crate) fn of(&self, name: &str) -> Option<&Expectation> {
        self.programs.iter().find(|program| program.name == name)
    }

    /// Names of the programs that something is expected of.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.programs.iter().map(|program| program.name.as_str())
    }
}

impl Expectation {
    /// In what it differs from what was found; none if it came true.
    pub(crate) fn fault(&self, finding: &Finding) -> Option<String> {
        let outcome = &finding.outcome;
        if outcome.kind != self.outcome {
            return Some(format!("expected {}", self.outcome.name()));
        }
        if let Some(code) = self.exit_code.filter(|code| outcome.exit_code != Some(*code)) {
            return Some(format!("expected exit code {code}"));
        }
        if let Some(rule) = self.rule.as_ref().filter(|rule| outcome.detail.as_ref() != Some(*rule)) {
            return Some(format!("expected rule {rule}"));
        }
        let output = self.output.as_ref().filter(|output| !finding.stdout.contains(*output))?;
        Some(format!("expected output {output:?}"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Expectations;
    use crate::outcome::{Finding, Kind, Outcome};

    fn finding(kind: Kind, exit_code: Option<u8>, detail: Option<&str>) -> Finding {
        let outcome = Outcome { kind, exit_code, detail: detail.map(str::to_owned) };
        Finding { outcome, elapsed: Duration::ZERO, stdout: "a\nb".into(), first_line: "a".into() }
    }

    #[test]
    fn every_part_must_come_true() {
        let text = "[[program]]\nname = \"a\"\noutcome = \"failed\"\nexit-code = 3\noutput = \"b\"\n";
        let expectations = Expectations::parse(text).unwrap();
        let expected = expectations.of("a").unwrap();
        assert_eq!(expected.fault(&finding(Kind::Failed, Some(3), None)), None);
        assert_eq!(expected.fault(&finding(Kind::Failed, Some(4), None)).unwrap(), "expected exit code 3");
        assert_eq!(expected.fault(&finding(Kind::Ok, Some(0), None)).unwrap(), "expected failed");
        let silent = Finding { stdout: String::new(), ..finding(Kind::Failed, Some(3), None) };
        assert_eq!(expected.fault(&silent).unwrap(), "expected output \"b\"");
    }

    #[test]
    fn denial_is_told_by_its_rule() {
        let text = "[[program]]\nname = \"a\"\noutcome = \"denied\"\nrule = \"r\"\n";
        let expectations = Expectations::parse(text).unwrap();
        let expected = expectations.of("a").unwrap();
        assert_eq!(expected.fault(&finding(Kind::Denied, None, Some("r"))), None);
        assert_eq!(expected.fault(&finding(Kind::Denied, None, Some("s"))).unwrap(), "expected rule r");
    }

    #[test]
    fn unknown_keys_and_outcomes_are_refused() {
        assert!(Expectations::parse("[[program]]\nname = \"a\"\noutcome = \"fine\"").is_err());
        assert!(Expectations::parse("[[program]]\nname = \"a\"\noutcome = \"ok\"\ncode = 1").is_err());
    }
}
