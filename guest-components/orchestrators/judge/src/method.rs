//! How a program is run: by the ending of its name, or else by its first bytes.

/// How a program is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// An interpreter with these arguments, then the program's path.
    Interpret(Vec<String>),
    /// It is C: compiled, then started.
    Compile,
    /// It is a program of the machine's own kind.
    Start,
}

/// Bytes that are enough to recognise a program.
pub(crate) const HEAD: usize = 256;

impl Method {
    /// For a file of this name, if its ending says it.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let interpreter = match name.rsplit_once('.')?.1 {
            "awk" => &["awk", "-f"][..],
            "c" => return Some(Self::Compile),
            "js" => &["node"],
            "lua" => &["lua"],
            "pl" => &["perl"],
            "py" => &["python3"],
            "rb" => &["ruby"],
            "sh" => &["sh"],
            "tcl" => &["tclsh"],
            _ => return None,
        };
        Some(Self::Interpret(interpreter.iter().map(|&word| word.to_owned()).collect()))
    }

    /// For a file that begins with these bytes. None: it is no program.
    ///
    /// The interpreter of a `#!` line is started by its name, so that policies see what really runs, and that of `env` the same.
    pub(crate) fn of_head(head: &[u8]) -> Option<Self> {
        if head.starts_with(b"\x7fELF") {
            return Some(Self::Start);
        }
        let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
        let line = std::str::from_utf8(line).ok()?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let program = words.next()?.rsplit('/').next()?.to_owned();
        let interpreter = match program.as_str() {
            "env" => words.collect::<Vec<String>>(),
            _ => std::iter::once(program).chain(words).collect(),
        };
        (!interpreter.is_empty()).then_some(Self::Interpret(interpreter))
    }
}

#[cfg(test)]
mod tests {
    use super::Method;

    fn interpret(words: &[&str]) -> Option<Method> {
        Some(Method::Interpret(words.iter().map(|&word| word.to_owned()).collect()))
    }

    #[test]
    fn ending_names_the_interpreter() {
        assert_eq!(Method::of_name("a.b.py"), interpret(&["python3"]));
        assert_eq!(Method::of_name("a.awk"), interpret(&["awk", "-f"]));
        assert_eq!(Method::of_name("a.c"), Some(Method::Compile));
        assert_eq!(Method::of_name("README.md"), None);
        assert_eq!(Method::of_name("py"), None);
    }

    #[test]
    fn first_line_names_the_interpreter() {
        assert_eq!(Method::of_head(b"#!/usr/bin/env perl\nprint 1"), interpret(&["perl"]));
        assert_eq!(Method::of_head(b"#! /bin/sh -e\n"), interpret(&["sh", "-e"]));
        assert_eq!(Method::of_head(b"\x7fELF\x02"), Some(Method::Start));
        for head in [&b"#!"[..], b"#!\n", b"#!/usr/bin/env\n", b"#!/\xff\n", b"text", b""] {
            assert_eq!(Method::of_head(head), None, "{head:?}");
        }
    }
}
