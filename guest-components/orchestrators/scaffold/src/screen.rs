//! A sandbox's terminal on the user's: its text and its colours, and nothing that a terminal would obey besides.
//!
//! What a program writes to a terminal can move the cursor over what was said before, rename the window, or fill the
//! clipboard. Of its escapes only those pass that choose how text looks: `ESC [ numbers m` (ECMA-48, SGR).

use mimobox_guest::{ByteReader, Result, print};

const ESCAPE: char = '\x1b';
const PLAIN: &str = "\x1b[0m";
/// Characters of an escape that are looked at: no colour takes more.
const LONGEST: usize = 32;

/// What a terminal shows, on its way.
pub(crate) struct Screen {
    output: ByteReader,
    /// An escape or a character that has begun.
    pending: Vec<u8>,
}

impl Screen {
    pub(crate) fn new(output: ByteReader) -> Self {
        Self { output, pending: Vec::new() }
    }

    /// Shows all of it, to the end of the session.
    pub(crate) async fn show(mut self) -> Result<()> {
        while let Some(bytes) = self.output.next().await? {
            self.pending.extend(bytes);
            let whole = whole(&self.pending);
            let rest = self.pending.split_off(whole);
            print!("{}", coloured(&String::from_utf8_lossy(&self.pending)));
            self.pending = rest;
        }
        print!("{PLAIN}");
        Ok(())
    }
}

/// How many bytes can be shown before more come: all but an escape or a character that is cut at the end.
fn whole(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(LONGEST);
    let escape = bytes.iter().skip(tail).position(|byte| *byte == 0x1b).map(|place| tail + place);
    let text = match escape {
        Some(start) if !bytes.iter().skip(start).any(u8::is_ascii_alphabetic) => start,
        _ => bytes.len(),
    };
    let cut = |error: std::str::Utf8Error| error.error_len().is_none().then_some(error.valid_up_to());
    bytes.get(..text).and_then(|bytes| std::str::from_utf8(bytes).err()).and_then(cut).unwrap_or(text)
}

/// Text with its colours.
fn coloured(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|character: char| character.is_control()) {
        let (before, control) = rest.split_at(start);
        shown.push_str(before);
        let length = colour(control).unwrap_or(0);
        let (escape, after) = control.split_at(length);
        shown.push_str(escape);
        let mut after = after.chars();
        if length == 0
            && let Some(character @ ('\n' | '\t')) = after.next()
        {
            shown.push(character);
        }
        rest = after.as_str();
    }
    shown + rest
}

/// The length of the colour that this begins with.
fn colour(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix(ESCAPE)?.strip_prefix('[')?;
    let end = numbers.find(|character: char| !character.is_ascii_digit() && character != ';')?;
    (numbers.get(end..)?.starts_with('m') && end < LONGEST).then_some(end + 3)
}

/// Text without anything that a terminal would obey.
pub(crate) fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|character| !character.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::{coloured, printable, whole};

    #[test]
    fn colours_pass_and_all_else_that_a_terminal_obeys_does_not() {
        assert_eq!(coloured("\x1b[01;31merror\x1b[m: no\r\n\tmore"), "\x1b[01;31merror\x1b[m: no\n\tmore");
        assert_eq!(coloured("\x1b]0;title\x07text"), "]0;titletext");
        assert_eq!(coloured("\x1b[2Jgone\x1b[1;1H"), "[2Jgone[1;1H");
        assert_eq!(coloured("\x1b[31"), "[31");
        assert_eq!(printable(b"a\x1b[31mb\n"), "a[31mb");
    }

    #[test]
    fn what_is_cut_waits_for_its_rest() {
        assert_eq!(whole(b"text"), 4);
        assert_eq!(whole(b"text\x1b[01;3"), 4);
        assert_eq!(whole("ab\u{e9}".as_bytes()), 4);
        assert_eq!(whole(b"ab\xc3"), 2);
        assert_eq!(whole(b"ab\xff"), 3);
    }

    #[test]
    fn an_escape_that_never_ends_does_not_wait_for_ever() {
        let endless = [b"\x1b[".as_slice(), &[b'1'; 100]].concat();
        assert_eq!(whole(&endless), endless.len());
    }
}
