//! Who decides, in what order, and what is written down before anything happens.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use mimobox_sandbox::{
    Command, Effect, Error, ExitStatus, GrantedLimits, Narrowing, Operation, Signal, Spec, Verdict, fake,
};
use support::{Host, Told, allow, deny, narrow};

fn rule(error: Error) -> String {
    match error {
        Error::Denied(denial) => denial.rule,
        other => panic!("not denied: {other:?}"),
    }
}

#[tokio::test]
async fn a_denied_command_never_starts_and_says_the_rule() {
    let host = Host::with(vec![Told::new("p", |event| match event.operation {
        Operation::Execute(_) => Ok(deny("no-commands")),
        _ => Ok(allow()),
    })]);
    let run = host.run();
    let sandbox = run.create(Spec::default()).await.unwrap();
    let error = sandbox.execute(Command::new("true"), vec![]).await.unwrap_err();
    assert_eq!(rule(error), "no-commands");
    assert_eq!(sandbox.usage().await.unwrap().processes, 0);
    assert_eq!(run.history().denials, 1);
    let last = host.audit.entries().pop().unwrap();
    assert!(last.contains("Requested") && last.contains("deny") && last.contains("no-commands"), "{last}");
}

#[tokio::test]
async fn the_first_denial_ends_it_and_later_policies_are_not_asked() {
    let later = Told::new("later", |_| Ok(allow()));
    let asked = later.asked.clone();
    let host = Host::with(vec![Told::new("first", |_| Ok(deny("stop"))), later]);
    assert_eq!(rule(host.run().create(Spec::default()).await.unwrap_err()), "stop");
    assert_eq!(*asked.lock(), 0);
}

#[tokio::test]
async fn narrowings_of_several_policies_intersect() {
    let memory = |bytes| narrow(Narrowing { memory: Some(bytes), ..Narrowing::default() });
    let host = Host::with(vec![
        Told::new("a", move |_| Ok(memory(20_000_000))),
        Told::new("b", move |_| Ok(memory(30_000_000))),
    ]);
    let sandbox = host.run().create(Spec::default()).await.unwrap();
    let expected = GrantedLimits { memory: 20_000_000, ..fake::ceiling().defaults };
    assert_eq!(sandbox.grant().limits, expected);
}

#[tokio::test]
async fn a_policy_that_fails_denies() {
    let host = Host::with(vec![Told::new("broken", |_| Err("trap: unreachable".into()))]);
    let error = host.run().create(Spec::default()).await.unwrap_err();
    assert!(!error.to_string().contains("unreachable"), "the caller learns no detail: {error}");
    assert_eq!(rule(error), "policy-failed");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_never_answers_denies() {
    let host = Host::with(vec![Told::silent("asleep")]);
    assert_eq!(rule(host.run().create(Spec::default()).await.unwrap_err()), "policy-failed");
}

#[tokio::test]
async fn a_narrowing_that_cannot_be_enforced_denies() {
    let host = Host::with(vec![Told::new("p", |event| match event.operation {
        Operation::Execute(_) => Ok(narrow(Narrowing { cpu: Some(1), ..Narrowing::default() })),
        _ => Ok(allow()),
    })]);
    let run = host.run();
    let sandbox = run.create(Spec::default()).await.unwrap();
    assert_eq!(rule(sandbox.execute(Command::new("true"), vec![]).await.unwrap_err()), "policy-failed");
}

#[tokio::test(start_paused = true)]
async fn a_narrowed_timeout_is_in_force() {
    let host = Host::with(vec![Told::new("p", |event| match event.operation {
        Operation::Execute(_) => {
            Ok(narrow(Narrowing { timeout: Some(Duration::from_millis(50)), ..Narrowing::default() }))
        }
        _ => Ok(allow()),
    })]);
    let run = host.run();
    let sandbox = run.create(Spec::default()).await.unwrap();
    let finished = sandbox.execute(Command::new("sleep").arguments(["3600"]), vec![]).await.unwrap();
    assert_eq!(finished.status, ExitStatus::TimedOut);
}

#[tokio::test]
async fn a_policy_sees_the_history_and_the_labels() {
    let told = Told::new("p", |_| Ok(allow()));
    let events = told.events.clone();
    let host = Host::with(vec![told]);
    let run = host.run();
    let labels = vec![("team".to_owned(), "red".to_owned())];
    let sandbox = run.create(Spec { labels: labels.clone(), ..Spec::default() }).await.unwrap();
    sandbox.execute(Command::new("true"), vec![]).await.unwrap();
    sandbox.execute(Command::new("true"), vec![]).await.unwrap();
    let last = events.lock().pop().unwrap();
    assert_eq!((last.history.sandboxes, last.history.commands), (1, 1));
    assert_eq!(last.subject.labels, labels);
    assert_eq!(last.subject.sandbox.as_deref(), Some(sandbox.id().as_str()));
}

#[tokio::test]
async fn a_full_audit_log_refuses_everything_before_its_effect() {
    let host = Host::with(vec![]);
    let run = host.run();
    let sandbox = run.create(Spec::default()).await.unwrap();
    host.audit.fill_up();
    assert!(matches!(sandbox.execute(Command::new("true"), vec![]).await, Err(Error::Failed(_))));
    assert!(matches!(run.create(Spec::default()).await, Err(Error::Failed(_))));
    assert!(matches!(sandbox.pause().await, Err(Error::Failed(_))));
    assert_eq!(host.backend.created(), 1);
    assert_eq!(host.backend.spawned(), 0);
}

#[tokio::test]
async fn the_request_is_in_the_log_before_the_effect_and_the_end_after_it() {
    let host = Host::with(vec![]);
    let seen = host.audit.clone();
    host.backend.on_spawn(Arc::new(move || {
        let last = seen.entries().pop().unwrap();
        assert!(last.contains("Requested") && last.contains("Execute"), "{last}");
    }));
    let run = host.run();
    let sandbox = run.create(Spec::default()).await.unwrap();
    sandbox.execute(Command::new("echo").arguments(["12345"]), vec![]).await.unwrap();
    assert_eq!(host.backend.spawned(), 1);
    let last = host.audit.entries().pop().unwrap();
    assert!(last.contains("Finished") && last.contains("Exited(0)") && last.contains("stdout: 6"), "{last}");
}

#[tokio::test]
async fn the_values_of_variables_are_not_in_the_log() {
    let sink = support::JsonLog::default();
    let host = Host::with_audit(vec![], Arc::new(sink.clone()));
    let run = host.run();
    let sandbox = run.create(Spec::default()).await.unwrap();
    let environment = vec![("TOKEN".to_owned(), "hunter2".to_owned())];
    let command = Command { environment, ..Command::new("true") };
    sandbox.execute(command, vec![]).await.unwrap();
    let log = sink.text();
    assert!(log.contains("TOKEN") && !log.contains("hunter2"), "{log}");
}

#[tokio::test]
async fn a_signal_is_judged_too() {
    let host = Host::with(vec![Told::new("p", |event| match event.operation {
        Operation::Signal(9) => Ok(deny("no-kill")),
        _ => Ok(allow()),
    })]);
    let run = host.run();
    let sandbox = run.create(Spec::default()).await.unwrap();
    let process = sandbox.spawn(Command::new("sleep").arguments(["3600"]), false).await.unwrap();
    assert_eq!(rule(sandbox.signal(&process, Signal::Kill).await.unwrap_err()), "no-kill");
    sandbox.signal(&process, Signal::Terminate).await.unwrap();
    assert_eq!(process.wait().await.unwrap(), ExitStatus::Signaled(15));
}

#[tokio::test]
async fn an_allowed_verdict_names_its_rule_in_the_log() {
    let verdict = Verdict { effect: Effect::Allow, rule: "everyone".into(), reason: "it is Tuesday".into() };
    let host = Host::with(vec![Told::new("p", move |_| Ok(verdict.clone()))]);
    host.run().create(Spec::default()).await.unwrap();
    assert!(host.audit.entries().iter().any(|entry| entry.contains("everyone")));
}
