//! Guests that want to hold the host up, use it up, or bring it down. Each ends as a typed error, and the host goes on.

use std::time::Duration;

use mimobox_component::{RunError, RunLimits};

use crate::handmade::{command, orchestrator};
use crate::stand::{Stand, runner};

/// Enough for a guest that ends, too little for one that does not.
fn soon() -> RunLimits {
    RunLimits { time: Duration::from_millis(300), ..RunLimits::default() }
}

#[tokio::test]
async fn a_guest_that_spins_is_stopped_at_its_deadline() {
    let stand = Stand::new();
    for spinning in
        [orchestrator("", "", "(loop (br 0)) unreachable"), command("", "", "", "(loop (br 0)) unreachable")]
    {
        let ended = stand.run_within(&runner(&spinning).unwrap(), &[], soon()).await;
        assert!(matches!(ended.error(), RunError::TimedOut { after } if *after == soon().time), "{ended:?}");
    }
}

#[tokio::test]
async fn a_guest_that_spins_while_it_is_instantiated_is_stopped_too() {
    let spinning = orchestrator("", "(func $start (loop (br 0))) (start $start)", "unreachable");
    let ended = Stand::new().run_within(&runner(&spinning).unwrap(), &[], soon()).await;
    assert!(matches!(ended.error(), RunError::TimedOut { .. }), "{ended:?}");
}

#[tokio::test]
async fn a_guest_that_spins_lets_others_run_on_the_same_thread() {
    let stand = Stand::new();
    let spinning = runner(&orchestrator("", "", "(loop (br 0)) unreachable")).unwrap();
    let brief = runner(&command("", "", "", "(i32.const 0)")).unwrap();
    // This test has one thread. Had the first run kept it, the second could not have ended first.
    tokio::select! {
        biased;
        ended = stand.run_within(&spinning, &[], RunLimits { time: Duration::from_secs(600), ..soon() }) => panic!("{ended:?}"),
        ended = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Stand::new().run(&brief, &[]).await
        } => assert_eq!(ended.code.unwrap(), 0),
    }
}

#[tokio::test]
async fn a_guest_that_recurses_without_end_traps() {
    let recursing = orchestrator("", "(func $down (call $down))", "(call $down) unreachable");
    let ended = Stand::new().run(&runner(&recursing).unwrap(), &[]).await;
    let RunError::Trapped(trap) = ended.error() else { panic!("{ended:?}") };
    assert!(trap.to_string().contains("call stack exhausted"), "{trap}");
    assert!(trap.trace().lines().count() <= 64);
}

#[tokio::test]
async fn a_guest_that_allocates_without_end_reaches_its_limit() {
    let body = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    let limits = RunLimits { memory: 8 * 1024 * 1024, ..RunLimits::default() };
    let ended = Stand::new().run_within(&runner(&orchestrator("", "", body)).unwrap(), &[], limits).await;
    assert!(
        matches!(ended.error(), RunError::OutOfMemory { most, .. } if *most == limits.memory),
        "{ended:?}"
    );
}

#[tokio::test]
async fn tables_count_as_memory() {
    let items = "(table $table 0 funcref)";
    let body = "(loop (br_if 0 (i32.ne (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable";
    let limits = RunLimits { memory: 400 * 1024, ..RunLimits::default() };
    let ended = Stand::new().run_within(&runner(&orchestrator("", items, body)).unwrap(), &[], limits).await;
    assert!(matches!(ended.error(), RunError::OutOfMemory { .. }), "{ended:?}");
}

#[tokio::test]
async fn a_guest_that_wants_more_memory_than_it_may_have_does_not_start() {
    let greedy = command("", "", "(memory 1024)", "(i32.const 0)");
    let limits = RunLimits { memory: 1024 * 1024, ..RunLimits::default() };
    let ended = Stand::new().run_within(&runner(&greedy).unwrap(), &[], limits).await;
    assert!(matches!(ended.error(), RunError::OutOfMemory { .. }), "{ended:?}");
}

#[tokio::test]
async fn a_guest_that_gets_over_a_refused_page_ends_well() {
    let body = "(drop (memory.grow (i32.const 10000))) (i32.const 0)";
    let modest = command("", "", "(memory 1)", body);
    let limits = RunLimits { memory: 1024 * 1024, ..RunLimits::default() };
    assert_eq!(Stand::new().run_within(&runner(&modest).unwrap(), &[], limits).await.code.unwrap(), 0);
}

#[tokio::test]
async fn a_hundred_thousand_futures_end_in_a_trap() {
    let imports = r#"(import "mimobox:host/timer@0.1.0" "sleep" (func $sleep (param i64) (result i32)))"#;
    let body = "(local $left i32)
        (local.set $left (i32.const 100000))
        (loop
          (drop (call $sleep (i64.const 1000000000000)))
          (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        unreachable";
    let ended = Stand::new().run(&runner(&orchestrator(imports, "", body)).unwrap(), &[]).await;
    let RunError::Trapped(trap) = ended.error() else { panic!("{ended:?}") };
    assert!(trap.to_string().contains("handle"), "{trap}");
}

#[tokio::test]
async fn a_hundred_thousand_handles_of_its_own_end_in_a_trap() {
    let own = r#"(component
        (type $thing (resource (rep i32)))
        (core func $new (canon resource.new $thing))
        (core module $module
          (import "" "new" (func $new (param i32) (result i32)))
          (func (export "run") (result i32)
            (loop (drop (call $new (i32.const 1))) (br 0))
            unreachable))
        (core instance $core (instantiate $module (with "" (instance (export "new" (func $new))))))
        (func $run (result (result)) (canon lift (core func $core "run")))
        (instance $interface (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $interface)))"#;
    let ended = Stand::new().run(&runner(&crate::handmade::text(own)).unwrap(), &[]).await;
    let RunError::Trapped(trap) = ended.error() else { panic!("{ended:?}") };
    assert!(trap.to_string().contains("handle"), "{trap}");
}

#[tokio::test]
async fn a_log_line_as_long_as_memory_is_cut_and_a_longer_one_traps() {
    let imports = r#"(import "mimobox:host/log@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))"#;
    let line = |length: usize| {
        let body = format!(
            "(drop (memory.grow (i32.const 2047)))
             (call $log (i32.const 2) (i32.const 0) (i32.const {length}) (i32.const 0) (i32.const 0))
             (i32.const 0)"
        );
        orchestrator(imports, "", &body)
    };
    let stand = Stand::new();
    assert_eq!(stand.run(&runner(&line(1 << 20)).unwrap(), &[]).await.code.unwrap(), 0);
    let ended = stand.run(&runner(&line(100 << 20)).unwrap(), &[]).await;
    assert!(matches!(ended.error(), RunError::Trapped(_)), "{ended:?}");
}

#[tokio::test]
async fn a_pointer_outside_of_memory_traps() {
    let imports = r#"(import "mimobox:host/log@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))"#;
    let body = "(call $log (i32.const 2) (i32.const -16) (i32.const 4096) (i32.const 0) (i32.const 0)) (i32.const 0)";
    let ended = Stand::new().run(&runner(&orchestrator(imports, "", body)).unwrap(), &[]).await;
    assert!(matches!(ended.error(), RunError::Trapped(_)), "{ended:?}");
}

#[tokio::test]
async fn a_handle_that_the_guest_made_up_traps() {
    let imports = r#"(import "mimobox:host/sandbox@0.1.0" "[method]sandbox.pause" (func $pause (param i32) (result i32)))"#;
    for handle in [0, 1, 7, -1] {
        let body = format!("(drop (call $pause (i32.const {handle}))) (i32.const 0)");
        let ended = Stand::new().run(&runner(&orchestrator(imports, "", &body)).unwrap(), &[]).await;
        assert!(matches!(ended.error(), RunError::Trapped(_)), "{handle}: {ended:?}");
    }
}

#[tokio::test]
async fn a_result_outside_of_memory_traps() {
    let ended = Stand::new().run(&runner(&orchestrator("", "", "(i32.const -4)")).unwrap(), &[]).await;
    assert!(matches!(ended.error(), RunError::Trapped(_)), "{ended:?}");
}

#[tokio::test]
async fn a_trap_in_one_run_does_nothing_to_the_next() {
    let stand = Stand::new();
    let trapping = runner(&command("", "", "", "unreachable")).unwrap();
    let good = runner(&command("", "", "", "(i32.const 0)")).unwrap();
    for _ in 0..3 {
        assert!(matches!(stand.run(&trapping, &[]).await.error(), RunError::Trapped(_)));
        assert_eq!(stand.run(&good, &[]).await.code.unwrap(), 0);
    }
}
