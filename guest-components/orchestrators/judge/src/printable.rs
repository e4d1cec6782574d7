//! Text of strangers that goes to the operator's terminal.

/// What a terminal's line has room for.
const LONGEST: usize = 72;

/// One line of it, cut to size, with nothing in it that moves the cursor.
pub(crate) fn printable(text: &str) -> String {
    let is_plain = |character: &char| !character.is_control() && !is_invisible(*character);
    let mut characters =
        text.trim().chars().map(|character| if is_plain(&character) { character } else { '·' });
    let mut line: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() {
        line.push('…');
    }
    line
}

/// Marks that have no shape of their own, but turn the direction of what stands beside them.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn text_cannot_steer_the_terminal() {
        assert_eq!(printable("\u{1b}[2Jgone\r"), "·[2Jgone");
        assert_eq!(printable("a\u{202e}b"), "a·b");
        assert_eq!(printable("naïve"), "naïve");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(printable(&"x".repeat(100)).chars().count(), 73);
    }
}
