//! What was found, as a table for people and as JSON for programs.

use std::fmt;

use serde::Serialize;

use crate::outcome::{Finding, Kind};
use crate::printable::printable;
use crate::submissions::Folder;

/// All findings, held against what was expected.
#[derive(Serialize)]
pub(crate) struct Report {
    /// Whether all is as it should be.
    pub(crate) held: bool,
    /// Whether anybody said what should be.
    expected: bool,
    programs: Vec<Line>,
    /// Programs that something is expected of and that are not there.
    missing: Vec<String>,
}

#[derive(Serialize)]
struct Line {
    program: String,
    outcome: Kind,
    exit_code: Option<u8>,
    detail: Option<String>,
    seconds: f64,
    first_line: String,
    /// In what it is not as expected.
    fault: Option<String>,
    /// Name and outcome as the table has them.
    #[serde(skip)]
    shown: [String; 2],
}

impl Report {
    pub(crate) fn new(folder: &Folder, findings: Vec<Finding>) -> Self {
        let programs: Vec<Line> = folder
            .submissions
            .iter()
            .zip(findings)
            .map(|(submission, finding)| Line {
                program: submission.name.clone(),
                fault: fault(folder, &submission.name, &finding),
                outcome: finding.outcome.kind,
                shown: [printable(&submission.name), printable(&finding.outcome.to_string())],
                exit_code: finding.outcome.exit_code,
                detail: finding.outcome.detail,
                seconds: finding.elapsed.as_secs_f64(),
                first_line: finding.first_line,
            })
            .collect();
        let is_there = |name: &str| programs.iter().any(|line| line.program == name);
        let expected = folder.expectations.iter().flat_map(|expectations| expectations.names());
        let missing: Vec<String> = expected.filter(|name| !is_there(name)).map(str::to_owned).collect();
        let held = missing.is_empty() && programs.iter().all(|line| line.fault.is_none());
        Self { held, expected: folder.expectations.is_some(), programs, missing }
    }

    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

/// Without expectations, a program must only have been run. With them, each must have one: a file that nobody expects
/// among those that are known is a mistake.
fn fault(folder: &Folder, name: &str, finding: &Finding) -> Option<String> {
    match &folder.expectations {
        Some(expectations) => match expectations.of(name) {
            Some(expectation) => expectation.fault(finding),
            None => Some("nothing is expected of it".to_owned()),
        },
        None => (finding.outcome.kind == Kind::Error).then(|| "it could not be judged".to_owned()),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = ["program", "outcome"].map(str::len);
        let [program, outcome] = self.programs.iter().fold(widths, |[program, outcome], line| {
            let [name, word] = &line.shown;
            [program.max(name.chars().count()), outcome.max(word.chars().count())]
        });
        writeln!(f, "{:program$}  {:outcome$}  exit     time  first line", "program", "outcome")?;
        for line in &self.programs {
            let [name, word] = &line.shown;
            let code = line.exit_code.map(|code| code.to_string()).unwrap_or_default();
            let Line { seconds, first_line, .. } = line;
            writeln!(f, "{name:program$}  {word:outcome$}  {code:>4}  {seconds:>5.2} s  {first_line}")?;
            if let Some(fault) = &line.fault {
                writeln!(f, "{:program$}  └ {fault}", "")?;
            }
        }
        for name in &self.missing {
            writeln!(f, "{:program$}  └ it is not there", printable(name))?;
        }
        let faults = self.missing.len() + self.programs.iter().filter(|line| line.fault.is_some()).count();
        let count = self.programs.len();
        match (faults, self.expected) {
            (0, true) => writeln!(f, "\n{count} programs, all as expected"),
            (0, false) => writeln!(f, "\n{count} programs; nothing was expected of them"),
            (faults, _) => writeln!(f, "\n{count} programs, {faults} not as expected"),
        }
    }
}
