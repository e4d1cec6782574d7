//! Text of a component, made fit for an operator's terminal and log.

use std::fmt::{self, Write};

/// At most `most` characters of a component's text, with whatever a terminal might obey written out.
///
/// Threat: a component that moves the cursor, forges a line of the log, or turns the direction of the text around.
pub(crate) struct Escaped<'a> {
    pub(crate) text: &'a str,
    pub(crate) most: usize,
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.text.chars();
        for character in characters.by_ref().take(self.most) {
            if is_obeyed(character) {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        if characters.next().is_some() { f.write_str("…") } else { Ok(()) }
    }
}

/// Control characters, line separators, and the marks that change the direction of text (Unicode Standard Annex 9).
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str, most: usize) -> String {
        Escaped { text, most }.to_string()
    }

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        assert_eq!(escaped("a\x1b[2Jb\nc", 100), "a\\u{1b}[2Jb\\nc");
        assert_eq!(escaped("user\u{202e}txt.exe", 100), "user\\u{202e}txt.exe");
    }

    #[test]
    fn ordinary_text_of_any_script_stays() {
        assert_eq!(escaped("größer than 日本 \"quoted\"", 100), "größer than 日本 \"quoted\"");
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(escaped("ééééé", 3), "ééé…");
        assert_eq!(escaped("ééé", 3), "ééé");
    }
}
