//! What was found, as a table for people and as JSON for programs.

use std::fmt;

use serde::Serialize;

use crate::outcome::{Finding, Kind};
use crate::submissions::Folder;

/// All findings, held against what was expected.
#[derive(Serialize)]
pub(crate) struct Report {
    /// Whether all is as it should be.
    pub(crate) held: bool,
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
    #[serde(skip)]
    outcome_text: String,
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
                outcome_text: finding.outcome.to_string(),
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
        Self { held, programs, missing }
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
        let width = |text: fn(&Line) -> &str, title: &str| {
            let widths = self.programs.iter().map(|line| text(line).chars().count());
            widths.chain([title.len()]).max().unwrap_or(0)
        };
        let program = width(|line| &line.program, "program");
        let outcome = width(|line| &line.outcome_text, "outcome");
        writeln!(f, "{:program$}  {:outcome$}  exit     time  first line", "program", "outcome")?;
        for line in &self.programs {
            let code = line.exit_code.map(|code| code.to_string()).unwrap_or_default();
            write!(f, "{:program$}  {:outcome$}  ", line.program, line.outcome_text)?;
            writeln!(f, "{code:>4}  {:>5.2} s  {}", line.seconds, line.first_line)?;
            if let Some(fault) = &line.fault {
                writeln!(f, "{:program$}  └ {fault}", "")?;
            }
        }
        for name in &self.missing {
            writeln!(f, "{name:program$}  └ it is not there")?;
        }
        let faults = self.missing.len() + self.programs.iter().filter(|line| line.fault.is_some()).count();
        let count = self.programs.len();
        match faults {
            0 => writeln!(f, "\n{count} programs, all as expected"),
            faults => writeln!(f, "\n{count} programs, {faults} not as expected"),
        }
    }
}
