//! Policies: what they decide is done, and where they do not decide, nothing is.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use mimobox_component::{PolicyLimits, PrepareError};
use mimobox_sandbox::{
    Creation, Effect, Event, Execution, History, Narrowing, Operation, Policy, Subject, Verdict,
};

use crate::handmade;
use crate::stand::{Stand, built, policy};

fn load(bytes: &[u8]) -> Arc<dyn Policy> {
    Arc::new(policy(bytes, PolicyLimits::default()).unwrap())
}

fn event(operation: Operation) -> Event {
    Event { subject: Subject::default(), operation, time: SystemTime::now(), history: History::default() }
}

fn execution() -> Event {
    event(Operation::Execute(Execution {
        program: "true".into(),
        arguments: Vec::new(),
        environment: Vec::new(),
        directory: None,
        user: None,
        terminal: false,
    }))
}

fn creation() -> Event {
    event(Operation::Create(Creation {
        isolation: "os".into(),
        image: "host".into(),
        memory: 1 << 28,
        cpu: 1000,
        processes: 64,
        volumes: Vec::new(),
        hosts: Vec::new(),
    }))
}

/// Why it gave no verdict about a command.
async fn failure(bytes: &[u8], limits: PolicyLimits) -> String {
    policy(bytes, limits).unwrap().decide(&execution()).await.unwrap_err().cause
}

/// Where in a verdict the rule's name and the reason are: each an address and a length.
const RULE: usize = 88;
const REASON: usize = 96;

/// A policy that allows, by a rule of so many letters and for a reason of so many.
fn wordy(rule: usize, reason: usize) -> Vec<u8> {
    let body = format!(
        "(memory.fill (i32.const 1024) (i32.const 97) (i32.const 2048))
         (i32.store (i32.const {RULE}) (i32.const 1024)) (i32.store (i32.const {}) (i32.const {rule}))
         (i32.store (i32.const {REASON}) (i32.const 1024)) (i32.store (i32.const {}) (i32.const {reason}))
         (i32.const 0)",
        RULE + 4,
        REASON + 4,
    );
    handmade::policy("", &body)
}

#[tokio::test]
async fn a_verdict_is_what_the_policy_says() {
    let allow = load(&built("test-policy-allow")).decide(&execution()).await.unwrap();
    assert_eq!(allow, Verdict { effect: Effect::Allow, rule: "test-allow".into(), reason: String::new() });

    let deny = load(&built("test-policy-deny"));
    assert_eq!(deny.decide(&creation()).await.unwrap().effect, Effect::Allow);
    let denied = deny.decide(&execution()).await.unwrap();
    let reason = "this policy denies every command".to_owned();
    assert_eq!(denied, Verdict { effect: Effect::Deny, rule: "test-deny".into(), reason });

    let narrow = load(&built("test-policy-narrow"));
    let few = Narrowing { processes: Some(16), ..Narrowing::default() };
    assert_eq!(narrow.decide(&creation()).await.unwrap().effect, Effect::Narrow(few));
    let short = Narrowing {
        timeout: Some(Duration::from_millis(200)),
        remove_environment: vec!["SECRET".into()],
        ..Narrowing::default()
    };
    assert_eq!(narrow.decide(&execution()).await.unwrap().effect, Effect::Narrow(short));
}

#[tokio::test]
async fn a_denial_reaches_the_guest_by_its_rule() {
    let stand =
        Stand::with_policies(vec![load(&built("test-policy-allow")), load(&built("test-policy-deny"))]);
    let ended = stand.orchestrate(&["execute", "true"]).await;
    assert_eq!((ended.code.unwrap(), ended.stdout.as_str()), (126, "denied test-deny\n"));
}

#[tokio::test]
async fn a_narrowing_is_in_force() {
    let stand = Stand::with_policies(vec![load(&built("test-policy-narrow"))]);
    let ended = stand.orchestrate(&["execute", "SECRET=1", "printenv", "SECRET"]).await;
    assert_eq!(ended.code.unwrap(), 1, "the variable was not removed");
    let ended = stand.orchestrate(&["execute", "sleep", "3600"]).await;
    assert_eq!(ended.code.unwrap(), 124, "the command was not shortened");
    let created = |entry: &String| entry.starts_with("Created") && entry.contains("processes: 16,");
    assert!(stand.audit.entries().iter().any(created), "the sandbox may have more processes");
}

#[tokio::test]
async fn a_policy_that_gives_no_verdict_denies() {
    let limits = PolicyLimits { deadline: Duration::from_secs(2), ..PolicyLimits::default() };
    for name in ["spin", "trap", "allocate", "absurd"] {
        let failing = policy(&built(&format!("test-policy-{name}")), limits).unwrap();
        let ended = Stand::with_policies(vec![Arc::new(failing)]).orchestrate(&["execute", "true"]).await;
        assert_eq!((ended.code.unwrap(), ended.stdout.as_str()), (126, "denied policy-failed\n"), "{name}");
    }
}

#[tokio::test]
async fn a_policy_that_spins_misses_its_deadline_or_runs_out_of_fuel() {
    let spin = built("test-policy-spin");
    let plenty =
        PolicyLimits { fuel: u64::MAX, deadline: Duration::from_millis(50), ..PolicyLimits::default() };
    assert_eq!(failure(&spin, plenty).await, "missed its deadline of 50 ms");
    let little = PolicyLimits { fuel: 10_000, deadline: Duration::from_secs(60), ..PolicyLimits::default() };
    assert_eq!(failure(&spin, little).await, "used up its 10000 units of fuel");
}

#[tokio::test]
async fn a_policy_that_spins_while_it_is_instantiated_is_stopped_too() {
    let spinning = handmade::policy("(func $start (loop (br 0))) (start $start)", "unreachable");
    let limits = PolicyLimits { fuel: 10_000, ..PolicyLimits::default() };
    assert_eq!(failure(&spinning, limits).await, "used up its 10000 units of fuel");
}

#[tokio::test]
async fn a_policy_that_traps_recurses_or_allocates_gives_no_verdict() {
    let limits = PolicyLimits::default();
    assert!(failure(&built("test-policy-trap"), limits).await.starts_with("trapped: "));
    let recursing = handmade::policy("(func $down (call $down))", "(call $down) unreachable");
    assert_eq!(failure(&recursing, limits).await, "trapped: wasm trap: call stack exhausted");
    let cause = failure(&built("test-policy-allocate"), PolicyLimits { memory: 1 << 22, ..limits }).await;
    assert!(cause.starts_with("ran out of its 4194304 bytes of memory"), "{cause}");
}

#[tokio::test]
async fn an_absurd_verdict_is_none() {
    let limits = PolicyLimits::default();
    assert_eq!(
        policy(&wordy(128, 1024), limits).unwrap().decide(&execution()).await.unwrap().effect,
        Effect::Allow
    );
    for (rule, reason, cause) in [
        (0, 0, "gave an absurd verdict: its rule has no name"),
        (129, 0, "gave an absurd verdict: its rule's name has 129 bytes; at most 128"),
        (1, 1025, "gave an absurd verdict: its reason has 1025 bytes; at most 1024"),
    ] {
        assert_eq!(failure(&wordy(rule, reason), limits).await, cause);
    }
    assert!(
        failure(&built("test-policy-absurd"), limits).await.starts_with("trapped: "),
        "a megabyte was taken in"
    );
}

#[tokio::test]
async fn a_verdict_outside_of_memory_or_of_no_known_effect_is_none() {
    let limits = PolicyLimits::default();
    assert!(failure(&handmade::policy("", "(i32.const -8)"), limits).await.starts_with("trapped: "));
    let unknown = handmade::policy("", "(i32.store8 (i32.const 0) (i32.const 9)) (i32.const 0)");
    assert!(failure(&unknown, limits).await.starts_with("trapped: "));
}

#[tokio::test]
async fn each_decision_has_a_fresh_instance() {
    let remembering = handmade::policy(
        "(global $asked (mut i32) (i32.const 0))",
        &format!(
            "(if (global.get $asked) (then unreachable))
             (if (i32.load (i32.const 2048)) (then unreachable))
             (global.set $asked (i32.const 1))
             (i32.store (i32.const 2048) (i32.const 1))
             (i32.store (i32.const {RULE}) (i32.const 1024)) (i32.store (i32.const {}) (i32.const 1))
             (i32.store8 (i32.const 1024) (i32.const 97))
             (i32.const 0)",
            RULE + 4,
        ),
    );
    let policy = load(&remembering);
    for _ in 0..100 {
        assert_eq!(policy.decide(&execution()).await.unwrap().rule, "a");
    }
}

#[tokio::test]
async fn more_decisions_at_once_than_there_is_room_for_wait_their_turn() {
    let limits = PolicyLimits { deadline: Duration::from_secs(60), ..PolicyLimits::default() };
    let policy = policy(&built("test-policy-allow"), limits).unwrap();
    let event = execution();
    let verdicts = join_all((0..500).map(|_| policy.decide(&event))).await;
    assert!(verdicts.into_iter().all(|verdict| verdict.is_ok()));
}

#[test]
fn a_policy_that_a_toolchain_built_is_refused_for_its_import() {
    let error = policy(&built("test-policy-imports"), PolicyLimits::default()).unwrap_err();
    let PrepareError::PolicyImports(imports) = error else { panic!("{error}") };
    assert_eq!(imports, ["mimobox:host/log@0.1.0"]);
}
