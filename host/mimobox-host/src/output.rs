//! What is shown: results on standard output, everything else on standard error.
//!
//! A reader that went away (`| head`) is no failure worth a word, so what cannot be shown is let go of.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::telemetry::colours;

/// A result for people.
pub(crate) fn show(text: impl fmt::Display) {
    let mut out = io::stdout().lock();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

/// A result for programs: one JSON object, on lines of its own.
///
/// # Errors
/// It cannot be put into JSON.
pub(crate) fn show_json(result: &impl Serialize) -> serde_json::Result<()> {
    let text = serde_json::to_string_pretty(result)?;
    show(format_args!("{text}\n"));
    Ok(())
}

/// A remark beside the result.
pub(crate) fn remark(text: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A remark that only a person at a terminal wants to see.
pub(crate) fn remark_to_person(text: impl fmt::Display) {
    if io::stderr().is_terminal() {
        remark(text);
    }
}

/// Why it failed.
pub(crate) fn error(text: impl fmt::Display) {
    if colours(&io::stderr()) {
        remark(format_args!("\x1b[1;31merror:\x1b[0m {text}"));
    } else {
        remark(format_args!("error: {text}"));
    }
}

/// Lines whose columns begin below each other; the last column is as long as it is.
pub(crate) struct Table<const COLUMNS: usize>(pub(crate) Vec<[String; COLUMNS]>);

impl<const COLUMNS: usize> fmt::Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = [0; COLUMNS];
        for row in &self.0 {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in &self.0 {
            let mut line = String::new();
            for (width, cell) in widths.into_iter().zip(row) {
                line.push_str(&format!("{cell:width$}  "));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_a_table_begin_below_each_other() {
        let table =
            Table(vec![["a".into(), "b".into()], ["länger".into(), String::new()], ["c".into(), "d".into()]]);
        assert_eq!(table.to_string(), "a       b\nlänger\nc       d\n");
    }
}
