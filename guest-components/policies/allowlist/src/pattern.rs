//! Patterns of text: `*` is any run without a slash, `**` any run at all, `?` one character but a slash.

use alloc::vec;
use alloc::vec::Vec;

enum Token {
    Literal(char),
    One,
    Run,
    RunWithSlashes,
}

/// Whether the pattern is the whole text's.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    // `reached[n]`: the tokens so far fit the first n characters. Its cost is length by length and no worse, so that
    // a hostile text cannot make a decision run out of fuel.
    let text: Vec<char> = text.chars().collect();
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for token in tokens(pattern) {
        reached = step(&token, &reached, &text);
    }
    reached.last().copied().unwrap_or(false)
}

/// Whether one of the patterns is the whole text's.
pub(crate) fn any_matches(patterns: &[&str], text: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, text))
}

fn step(token: &Token, reached: &[bool], text: &[char]) -> Vec<bool> {
    let mut next = vec![false; reached.len()];
    for (n, here) in reached.iter().enumerate() {
        let before = n.checked_sub(1).and_then(|n| Some((n, *text.get(n)?)));
        let from_before = |fits: fn(char) -> bool, table: &[bool]| {
            before.is_some_and(|(n, character)| fits(character) && table.get(n) == Some(&true))
        };
        let fits = match token {
            Token::Literal(literal) => {
                before.is_some_and(|(n, character)| character == *literal && reached.get(n) == Some(&true))
            }
            Token::One => from_before(|character| character != '/', reached),
            Token::Run => *here || from_before(|character| character != '/', &next),
            Token::RunWithSlashes => *here || from_before(|_| true, &next),
        };
        if let Some(slot) = next.get_mut(n) {
            *slot = fits;
        }
    }
    next
}

/// `/submissions/../etc/shadow` fits `/submissions/**`, but is not what the rule means.
pub(crate) fn has_dots(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

fn tokens(pattern: &str) -> impl Iterator<Item = Token> {
    let mut characters = pattern.chars().peekable();
    core::iter::from_fn(move || {
        Some(match characters.next()? {
            '*' if characters.next_if_eq(&'*').is_some() => Token::RunWithSlashes,
            '*' => Token::Run,
            '?' => Token::One,
            literal => Token::Literal(literal),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stop_at_slashes_unless_doubled() {
        assert!(matches("/a/*", "/a/b"));
        assert!(matches("/a/*", "/a/"));
        assert!(!matches("/a/*", "/a/b/c"));
        assert!(matches("/a/**", "/a/b/c"));
        assert!(!matches("/a/**", "/b/a/"));
        assert!(matches("**/c", "/a/b/c"));
    }

    #[test]
    fn literals_and_single_characters_must_all_be_there() {
        assert!(matches("", "") && !matches("", "a") && !matches("a", ""));
        assert!(matches("a?c", "aéc") && !matches("a?c", "a/c") && !matches("a?c", "ac"));
        assert!(matches("LC_*", "LC_ALL") && !matches("LC_*", "XLC_ALL"));
        assert!(matches("*a*b*", "xxaxxbxx") && !matches("*a*b*", "xxbxxaxx"));
    }

    #[test]
    fn text_of_stars_is_no_pattern() {
        assert!(!matches("cat", "*"));
        assert!(!matches("/submissions/**", "**"));
    }
}
