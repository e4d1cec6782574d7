use mimobox_policy::{
    Creation, Datetime, Effect, Event, Execution, History, Narrowing, Operation, Subject, Verdict,
};

use super::decide;

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

#[test]
fn other_operations_must_be_listed() {
    assert_eq!(ask(Operation::Signal(15), 0).effect, Effect::Allow);
    assert_denied(Operation::Fork(3), "operation-not-listed");
    assert_denied(Operation::TakeSnapshot, "operation-not-listed");
}
