//! The programs of a fake sandbox: what the contract suite runs, as far as it looks.

use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;

use super::{PIPE, Shared};
use crate::backend::{Signal, TerminalSize};
use crate::error::Error;
use crate::files::{MakeDirectory, Remove, Rename};
use crate::grant::CommandGrant;
use crate::spec::Variable;

/// What a program is called with.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) program: String,
    arguments: Vec<String>,
    environment: Vec<Variable>,
    files: Shared,
    /// Of its terminal, if it has one.
    size: Option<watch::Receiver<TerminalSize>>,
}

impl Call {
    pub(super) fn new(
        grant: CommandGrant,
        files: Shared,
        size: Option<watch::Receiver<TerminalSize>>,
    ) -> Self {
        let CommandGrant { program, arguments, environment, .. } = grant;
        Self { program, arguments, environment, files, size }
    }

    /// The same, of another program.
    fn of(&self, words: &[String]) -> Option<Self> {
        let (program, arguments) = words.split_first()?;
        Some(Self { program: program.clone(), arguments: arguments.to_vec(), ..self.clone() })
    }

    fn argument(&self, number: usize) -> &str {
        self.arguments.get(number).map(String::as_str).unwrap_or_default()
    }
}

/// Where a program reads and writes.
pub(super) struct Streams {
    pub(super) stdin: Option<DuplexStream>,
    pub(super) stdout: DuplexStream,
    pub(super) stderr: DuplexStream,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Program {
    Cat,
    Echo,
    False,
    Ln,
    Ls,
    Mkdir,
    Mv,
    Nohup,
    Printenv,
    Rm,
    Sh,
    Sleep,
    Stty,
    Tee,
    True,
    Yes,
}

impl Program {
    /// By its name or its path.
    pub(super) fn named(program: &str) -> Option<Self> {
        Some(match program.rsplit('/').next().unwrap_or_default() {
            "cat" => Self::Cat,
            "echo" => Self::Echo,
            "false" => Self::False,
            "ln" => Self::Ln,
            "ls" => Self::Ls,
            "mkdir" => Self::Mkdir,
            "mv" => Self::Mv,
            "nohup" => Self::Nohup,
            "printenv" => Self::Printenv,
            "rm" => Self::Rm,
            "sh" => Self::Sh,
            "sleep" => Self::Sleep,
            "stty" => Self::Stty,
            "tee" => Self::Tee,
            "true" => Self::True,
            "yes" => Self::Yes,
            _ => return None,
        })
    }

    pub(super) fn ignores(self, signal: Signal) -> bool {
        self == Self::Nohup && signal == Signal::HangUp
    }

    /// Runs it to its exit code.
    pub(super) fn run<'a>(
        self,
        call: &'a Call,
        streams: &'a mut Streams,
    ) -> Pin<Box<dyn Future<Output = u8> + Send + 'a>> {
        Box::pin(async move {
            match self {
                Self::True => 0,
                Self::False => 1,
                Self::Echo => say(streams, &format!("{}\n", call.arguments.join(" "))).await,
                Self::Cat => cat(call, streams).await,
                Self::Tee => tee(call, streams).await,
                Self::Sleep => {
                    let seconds = call.argument(0).parse().unwrap_or(0.0);
                    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
                    0
                }
                Self::Yes => loop {
                    if say(streams, "y\n").await != 0 {
                        return 1;
                    }
                },
                Self::Printenv => match call.environment.iter().find(|(name, _)| *name == call.argument(0)) {
                    Some((_, value)) => say(streams, &format!("{value}\n")).await,
                    None => 1,
                },
                Self::Ls => match names(call) {
                    Ok(names) => say(streams, &names).await,
                    Err(error) => complain(streams, call, &error, 2).await,
                },
                Self::Ln | Self::Mkdir | Self::Mv | Self::Rm => match self.change(call) {
                    Ok(()) => 0,
                    Err(error) => complain(streams, call, &error, 1).await,
                },
                Self::Stty => match call.size.as_ref().map(|size| *size.borrow()) {
                    Some(TerminalSize { columns, rows }) => {
                        say(streams, &format!("{rows} {columns}\n")).await
                    }
                    None => complain(streams, call, &Error::Unsupported("no terminal".into()), 1).await,
                },
                Self::Nohup => nested(call, &call.arguments, streams).await,
                Self::Sh => shell(call, streams).await,
            }
        })
    }

    /// What a program does that only changes files: `ln -s TARGET PATH`, `mkdir PATH`, `mv FROM TO`, `rm -r PATH`.
    fn change(self, call: &Call) -> Result<(), Error> {
        let plain: Vec<&String> = call.arguments.iter().filter(|word| !word.starts_with('-')).collect();
        let argument = |number: usize| plain.get(number).map(|word| word.to_string()).unwrap_or_default();
        let mut files = call.files.lock();
        match self {
            Self::Ln => files.link(&argument(1), &argument(0)),
            Self::Mkdir => files.make_directory(&MakeDirectory { path: argument(0), parents: false }),
            Self::Mv => files.rename(&Rename { source: argument(0), target: argument(1) }),
            _ => files.remove(&Remove { path: argument(0), recursive: plain.len() < call.arguments.len() }),
        }
    }
}

/// The exit code of a program that says one thing.
async fn say(streams: &mut Streams, text: &str) -> u8 {
    u8::from(streams.stdout.write_all(text.as_bytes()).await.is_err())
}

async fn complain(streams: &mut Streams, call: &Call, error: &Error, code: u8) -> u8 {
    let _ = streams.stderr.write_all(format!("{}: {error}\n", call.program).as_bytes()).await;
    code
}

/// The names in a directory, a line each.
fn names(call: &Call) -> Result<String, Error> {
    let entries = call.files.lock().list(call.argument(0))?;
    Ok(entries.iter().map(|entry| format!("{}\n", entry.name)).collect())
}

/// A file, or standard input where none is named.
async fn cat(call: &Call, streams: &mut Streams) -> u8 {
    if call.arguments.is_empty() {
        return copy(streams, |_| Ok(())).await;
    }
    let bytes = call.files.lock().bytes(call.argument(0));
    match bytes {
        Ok(bytes) => u8::from(streams.stdout.write_all(&bytes).await.is_err()),
        Err(error) => complain(streams, call, &error, 1).await,
    }
}

/// Standard input, to standard output and into a file.
async fn tee(call: &Call, streams: &mut Streams) -> u8 {
    let appends = call.argument(0) == "-a";
    let path = call.argument(usize::from(appends));
    if !appends {
        let made = call.files.lock().put(path, 0o644, Vec::new());
        if let Err(error) = made {
            return complain(streams, call, &error, 1).await;
        }
    }
    copy(streams, |bytes| call.files.lock().append(path, 0o644, bytes)).await
}

async fn copy(streams: &mut Streams, also: impl Fn(&[u8]) -> Result<(), Error>) -> u8 {
    let Some(stdin) = &mut streams.stdin else { return 0 };
    let mut buffer = vec![0; PIPE];
    loop {
        let Ok(count) = stdin.read(&mut buffer).await else { return 1 };
        if count == 0 {
            return 0;
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        if also(bytes).is_err() || streams.stdout.write_all(bytes).await.is_err() {
            return 1;
        }
    }
}

/// A program that another one runs.
async fn nested(call: &Call, words: &[String], streams: &mut Streams) -> u8 {
    match call.of(words) {
        Some(nested) => match Program::named(&nested.program) {
            Some(program) => program.run(&nested, streams).await,
            None => complain(streams, &nested, &Error::NotFound, 127).await,
        },
        None => 0,
    }
}

/// Runs what stands in each line of its input: a program and its arguments, with nothing quoted; or `exit CODE`.
async fn shell(call: &Call, streams: &mut Streams) -> u8 {
    let mut last = 0;
    let mut line = Vec::new();
    loop {
        let Some(stdin) = &mut streams.stdin else { return last };
        match stdin.read_u8().await {
            Ok(b'\n') => {}
            Ok(byte) => {
                line.push(byte);
                continue;
            }
            Err(_) => return last,
        }
        let words: Vec<String> =
            String::from_utf8_lossy(&line).split_whitespace().map(str::to_owned).collect();
        line.clear();
        match words.first().map(String::as_str) {
            Some("exit") => return words.get(1).and_then(|code| code.parse().ok()).unwrap_or(last),
            _ => last = nested(call, &words, streams).await,
        }
    }
}
