//! One attempt: which program does it, and what came of it.

use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use mimobox_harness::{Requirement, met};
use tempfile::TempDir;

use crate::place::Place;

/// Exit status of a program that got out, and of one that was stopped: `programs/attempt.py` has the same.
const OUT: i32 = 0;
const STOPPED: i32 = 66;

/// An attempt to get out.
#[derive(Clone, Debug)]
pub struct Attempt {
    program: &'static str,
    name: &'static str,
    arguments: Vec<String>,
    /// Whether the kernel may well lack what it asks for.
    optional: bool,
}

/// What came of an attempt, with the program's word on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It got through, and what it got.
    Out(String),
    /// It was refused, and how: the name of an errno, mostly.
    Stopped(String),
}

impl Attempt {
    /// The function `name` of `programs/<program>.py`.
    pub fn new(program: &'static str, name: &'static str) -> Self {
        Self { program, name, arguments: Vec::new(), optional: false }
    }

    /// Passes it one more argument.
    pub fn with(mut self, argument: impl ToString) -> Self {
        self.arguments.push(argument.to_string());
        self
    }

    /// Not every kernel has what it asks for. Where this one says that it does not, the control cannot be shown.
    pub fn where_the_kernel_has_it(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Makes the attempt in a sandbox, where it must be stopped, and in `control`, where it must not.
    ///
    /// # Panics
    /// It got out of the sandbox, or did not even get through in the control.
    pub fn is_stopped_but_not_in(&self, control: &Place) {
        self.is_stopped_in(&Place::sandbox(), control);
    }

    /// As [`Attempt::is_stopped_but_not_in`], with a sandbox of the caller's.
    ///
    /// # Panics
    /// It got out of `place`, or did not even get through in the control.
    pub fn is_stopped_in(&self, place: &Place, control: &Place) {
        if !met(Requirement::Root) {
            return;
        }
        self.must_be_stopped(&place.attempt(self));
        self.must_get_out(&control.attempt(self));
    }

    /// Makes the attempt in a sandbox, where it must be stopped. Says why there is no control.
    ///
    /// # Panics
    /// It got out.
    pub fn is_stopped_but_has_no_control_since(&self, reason: &str) {
        if met(Requirement::Root) {
            self.must_be_stopped(&Place::sandbox().attempt(self));
            println!("{self:?} without what stops it cannot be shown: {reason}");
        }
    }

    /// Holds an outcome against what a sandbox owes.
    ///
    /// # Panics
    /// It got out.
    pub fn must_be_stopped(&self, outcome: &Outcome) {
        assert!(matches!(outcome, Outcome::Stopped(_)), "{self:?} got out: {outcome:?}");
    }

    /// Holds an outcome against what a control owes.
    ///
    /// # Panics
    /// It was stopped, though the kernel has what it asks for.
    pub fn must_get_out(&self, outcome: &Outcome) {
        let lacking = ["ENOSYS", "EAFNOSUPPORT"];
        match outcome {
            Outcome::Out(_) => {}
            Outcome::Stopped(how) if self.optional && lacking.contains(&how.as_str()) => {
                println!("{self:?} without what stops it cannot be shown: this kernel says {how}");
            }
            Outcome::Stopped(how) => {
                panic!("{self:?} proves nothing: it is stopped by {how} in the control too")
            }
        }
    }

    /// The command line, with the programs in `folder`.
    pub(crate) fn command_line(&self, folder: &Path) -> Vec<OsString> {
        // Without what a machine's Python loads at its start, and without leaving compiled files.
        let mut words: Vec<OsString> = vec!["/usr/bin/python3".into(), "-BSE".into()];
        words.push(folder.join(self.program).with_extension("py").into());
        words.push(self.name.into());
        words.extend(self.arguments.iter().map(OsString::from));
        words
    }

    /// Reads the answer of a program that has ended.
    pub(crate) fn outcome(&self, status: &str, code: Option<i32>, stdout: &[u8], stderr: &[u8]) -> Outcome {
        let text = String::from_utf8_lossy(stdout);
        let last = text.lines().last().unwrap_or_default();
        match (code, last.split_once(": ")) {
            (Some(OUT), Some(("out", what))) => Outcome::Out(what.to_owned()),
            (Some(STOPPED), Some(("stopped", how))) => Outcome::Stopped(how.to_owned()),
            _ => panic!("{self:?} is broken: {status}\n{text}\n{}", String::from_utf8_lossy(stderr)),
        }
    }

    pub(crate) fn outcome_of(&self, output: &Output) -> Outcome {
        self.outcome(&output.status.to_string(), output.status.code(), &output.stdout, &output.stderr)
    }
}

/// Copies the programs to `folder`: where they lie, only root may be able to read them.
pub(crate) fn copy_programs(folder: &Path) {
    for program in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")).unwrap() {
        let program = program.unwrap();
        std::fs::copy(program.path(), folder.join(program.file_name())).unwrap();
    }
}

/// A folder of the host with the programs, which everybody may read.
pub(crate) fn programs() -> TempDir {
    let folder = TempDir::new().unwrap();
    open_to_everybody(folder.path());
    copy_programs(folder.path());
    folder
}

/// Lets every user read and write a file or folder of the host: whatever keeps a sandbox from it is not its mode.
pub fn open_to_everybody(path: &Path) {
    std::fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
}
