//! The report of the jail, and what a missing wall means.

use mimobox_vmm_protocol::{Failure, JailLine, Mechanism, cut};

/// What stands so far.
#[derive(Debug)]
pub(crate) struct Walls {
    tolerated: Vec<Mechanism>,
    lines: Vec<JailLine>,
}

impl Walls {
    /// None yet. Those that are tolerated may be missing.
    pub(crate) fn new(tolerated: Vec<Mechanism>) -> Self {
        Self { tolerated, lines: Vec::new() }
    }

    /// This one stands.
    pub(crate) fn stands(&mut self, mechanism: Mechanism, detail: String) {
        self.lines.push(JailLine { mechanism, in_force: true, detail: cut(detail) });
    }

    /// This one does not, for this cause.
    ///
    /// # Errors
    /// `Jail`, unless it is tolerated.
    pub(crate) fn missing(&mut self, mechanism: Mechanism, cause: &str) -> Result<(), Failure> {
        let cause = cut(cause.to_owned());
        if !self.tolerated.contains(&mechanism) {
            return Err(Failure::Jail { mechanism, cause });
        }
        self.lines.push(JailLine { mechanism, in_force: false, detail: cause });
        Ok(())
    }

    /// What came of putting it up.
    ///
    /// # Errors
    /// As [`missing`](Self::missing).
    pub(crate) fn put_up(
        &mut self,
        mechanism: Mechanism,
        answer: Result<String, String>,
    ) -> Result<(), Failure> {
        match answer {
            Ok(detail) => self.stands(mechanism, detail),
            Err(cause) => self.missing(mechanism, &cause)?,
        }
        Ok(())
    }

    /// The report.
    pub(crate) fn lines(self) -> Vec<JailLine> {
        self.lines
    }
}

/// An error with its cause, for the report.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

    use super::*;

    #[test]
    fn a_missing_wall_ends_the_process_unless_it_is_tolerated_by_name() {
        let mut walls = Walls::new(vec![Mechanism::IpcNamespace]);
        walls.missing(Mechanism::IpcNamespace, "no such namespace").unwrap();
        assert!(matches!(
            walls.missing(Mechanism::EmptyRoot, "no tmpfs"),
            Err(Failure::Jail { mechanism: Mechanism::EmptyRoot, .. })
        ));
        assert!(!walls.lines().first().unwrap().in_force);
    }
}
