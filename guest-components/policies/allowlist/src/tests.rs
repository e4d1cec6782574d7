use mimobox_policy::{
    Creation, Datetime, Effect, Event, Execution, File, FileAccess, History, Narrowing, Operation, Subject,
    Verdict,
};

use super::decide;
use super::rules::{Access, Files};

fn ask(operation: Operation, sandboxes: u32) -> Verdict {
    let subject = Subject {
        component: "judge".into(),
        digest: "sha256:0".into(),
        sandbox: None,
        isolation: None,
        labels: Vec::new(),
    };
    let history = History { sandboxes, commands: 0, requests: 0, denials: 0 };
    decide(Event { subject, operation, time: Datetime { seconds: 0, nanoseconds: 0 }, history })
}

fn execution(program: &str, arguments: &[&str]) -> Execution {
    Execution {
        program: program.into(),
        arguments: arguments.iter().map(|&argument| argument.into()).collect(),
        environment: Vec::new(),
        directory: None,
        user: None,
        terminal: false,
    }
}

fn creation() -> Creation {
    Creation {
        isolation: "os".into(),
        image: "host".into(),
        memory: 1 << 30,
        cpu: 2000,
        processes: 1000,
        volumes: vec!["submissions".into()],
        hosts: Vec::new(),
    }
}

#[track_caller]
fn assert_denied(operation: Operation, rule: &str) {
    let verdict = ask(operation, 0);
    assert_eq!((verdict.effect, verdict.rule.as_str()), (Effect::Deny, rule));
}

#[test]
fn listed_program_is_narrowed_by_its_rule() {
    let verdict = ask(Operation::Execute(execution("python3", &["/submissions/a/b.py", "--any"])), 0);
    assert_eq!(verdict.rule, "python3");
    let expected = Narrowing { timeout: Some(30_000_000_000), ..Narrowing::NONE };
    assert_eq!(verdict.effect, Effect::Narrow(expected));
}

#[test]
fn program_that_is_not_listed_is_denied() {
    assert_denied(Operation::Execute(execution("awk", &["-f", "/submissions/a.awk"])), "program-not-listed");
    assert_denied(
        Operation::Execute(execution("/tmp/python3", &["/submissions/a.py"])),
        "program-not-listed",
    );
    assert_denied(Operation::Execute(execution("/home/sandbox/../a", &[])), "program-not-listed");
    assert_denied(Operation::Execute(execution("", &[])), "program-not-listed");
}

#[test]
fn arguments_outside_the_patterns_are_denied() {
    let denied = [
        execution("cat", &["/etc/passwd"]),
        execution("cat", &["/submissions/../etc/passwd"]),
        execution("cat", &["/submissions/a", "/etc/passwd"]),
        execution("sh", &["-c", "id"]),
        execution("cc", &["-O2", "-o", "/home/sandbox/program", "/submissions/a.c", "-fplugin=/tmp/x.so"]),
        execution("sh", &[]),
    ];
    for execution in denied {
        assert_denied(Operation::Execute(execution), "arguments-not-listed");
    }
}

#[test]
fn variables_users_and_terminals_must_be_listed() {
    let sh = execution("sh", &["/submissions/a.sh"]);
    let with_path = Execution { environment: vec![("PATH".into(), "/tmp".into())], ..sh.clone() };
    assert_denied(Operation::Execute(with_path), "variable-not-listed");
    assert_denied(
        Operation::Execute(Execution { user: Some("root".into()), ..sh.clone() }),
        "user-not-listed",
    );
    assert_denied(Operation::Execute(Execution { terminal: true, ..sh.clone() }), "terminal-not-listed");
    let with_locale = Execution { environment: vec![("LC_ALL".into(), "C".into())], ..sh };
    assert_eq!(ask(Operation::Execute(with_locale), 0).rule, "sh");
}

#[test]
fn sandbox_gets_no_more_than_the_rules_say() {
    let verdict = ask(Operation::Create(creation()), 0);
    let expected = Narrowing {
        memory: Some(512 << 20),
        cpu: Some(1000),
        processes: Some(128),
        timeout: Some(300_000_000_000),
        ..Narrowing::NONE
    };
    assert_eq!(verdict.effect, Effect::Narrow(expected));
}

#[test]
fn sandbox_with_what_is_not_listed_is_denied() {
    let create = Operation::Create;
    assert_denied(create(Creation { isolation: "none".into(), ..creation() }), "isolation-not-listed");
    assert_denied(create(Creation { image: "other".into(), ..creation() }), "image-not-listed");
    assert_denied(create(Creation { volumes: vec!["home".into()], ..creation() }), "volume-not-listed");
    assert_denied(create(Creation { hosts: vec!["example.com".into()], ..creation() }), "host-not-listed");
    assert_eq!(ask(create(creation()), 16).rule, "too-many-sandboxes");
}

fn file(path: &str, access: FileAccess) -> Operation {
    Operation::File(File { path: path.into(), access })
}

#[test]
fn listed_file_may_be_read_under_the_name_of_its_rule() {
    for path in ["/submissions", "/submissions/a.py", "/submissions/a/b.py"] {
        let verdict = ask(file(path, FileAccess::Read), 0);
        assert_eq!((verdict.effect, verdict.rule.as_str()), (Effect::Allow, "submissions"), "{path}");
    }
}

#[test]
fn path_that_is_not_listed_is_denied_for_every_access() {
    let all = [FileAccess::Read, FileAccess::Write, FileAccess::Remove, FileAccess::Watch];
    for path in ["/", "", "/etc/passwd", "/submissions-of-others/a", "/submissions/../etc/passwd"] {
        for access in all {
            assert_denied(file(path, access), "path-not-listed");
        }
    }
}

#[test]
fn access_that_is_not_listed_is_denied() {
    assert_denied(file("/submissions/a.py", FileAccess::Write), "access-not-listed");
    assert_denied(file("/submissions/a.py", FileAccess::Remove), "access-not-listed");
    assert_denied(file("/submissions/a.py", FileAccess::Watch), "access-not-listed");
    assert_denied(file("/home/sandbox/program", FileAccess::Write), "access-not-listed");
}

#[test]
fn any_entry_that_fits_allows() {
    let rules = [
        Files { rule: "reading", paths: vec!["/work/**"], access: vec![Access::Read] },
        Files { rule: "output", paths: vec!["/work/out/*"], access: vec![Access::Write, Access::Remove] },
    ];
    let decide = |path: &str, access| {
        let decided = super::file::decide(&rules, &File { path: path.into(), access });
        decided.map(|verdict| verdict.rule).map_err(|denial| denial.rule)
    };
    assert_eq!(decide("/work/out/a", FileAccess::Read).as_deref(), Ok("reading"));
    assert_eq!(decide("/work/out/a", FileAccess::Write).as_deref(), Ok("output"));
    assert_eq!(decide("/work/out/a/b", FileAccess::Write).as_deref(), Err(&"access-not-listed"));
    assert_eq!(decide("/else", FileAccess::Read).as_deref(), Err(&"path-not-listed"));
}

#[test]
fn other_operations_must_be_listed() {
    assert_eq!(ask(Operation::Signal(15), 0).effect, Effect::Allow);
    assert_denied(Operation::Fork(3), "operation-not-listed");
    assert_denied(Operation::TakeSnapshot, "operation-not-listed");
}
