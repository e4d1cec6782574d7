//! The interfaces of `mimobox:host` as a guest sees them, and plain programs.

use std::time::Duration;

use mimobox_component::{Grants, HostInterface, PrepareError, RunError, RunLimits, Runner, Sink, Stdio};
use mimobox_sandbox::Subject;
use tokio::io::duplex;

use crate::handmade::{self, CREATING, SANDBOX};
use crate::stand::{Stand, built, component, engine, invocation, orchestrator, runner};

fn soon() -> RunLimits {
    RunLimits { time: Duration::from_millis(500), ..RunLimits::default() }
}

#[tokio::test]
async fn sixty_four_mebibytes_come_back_byte_for_byte() {
    let ended = Stand::new().orchestrate(&["echo", "64"]).await;
    assert_eq!(ended.printed(), "67108864 bytes ok, exited with 0\n");
}

#[tokio::test]
async fn bytes_that_end_before_a_chunk_does_come_back_whole() {
    let ended = Stand::new().orchestrate(&["echo", "0"]).await;
    assert_eq!(ended.printed(), "0 bytes ok, exited with 0\n");
}

#[tokio::test]
async fn execute_gives_output_and_exit_code() {
    let stand = Stand::new();
    let ended = stand.orchestrate(&["execute", "echo", "hello", "you"]).await;
    assert_eq!(ended.printed(), "hello you\n");
    let ended = stand.orchestrate(&["execute", "ls", "/nowhere"]).await;
    assert_eq!((ended.code.unwrap(), ended.stderr.as_str()), (2, "ls: not found\n"));
    let ended = stand.orchestrate(&["execute", "GREETING=hi", "printenv", "GREETING"]).await;
    assert_eq!(ended.printed(), "hi\n");
}

#[tokio::test]
async fn a_guest_that_asks_for_nothing_leaves_no_trace_in_the_audit_log() {
    let stand = Stand::new();
    assert_eq!(stand.orchestrate(&["nothing"]).await.printed(), "");
    assert_eq!(stand.audit.entries(), Vec::<String>::new());
}

#[tokio::test]
async fn one_sandbox_takes_command_after_command() {
    let stand = Stand::new();
    let ended = stand.orchestrate(&["bench-execute", "100"]).await;
    let times: Result<Vec<u64>, _> = ended.printed().lines().map(str::parse).collect();
    assert_eq!(times.unwrap().len(), 100);
    let made = stand.audit.entries().iter().filter(|entry| entry.starts_with("Created")).count();
    assert_eq!(made, 1);
}

#[tokio::test]
async fn execute_ends_what_writes_more_than_the_limit() {
    let ended = Stand::new().orchestrate(&["execute", "yes"]).await;
    let RunError::GaveUp(why) = ended.error() else { panic!("{ended:?}") };
    assert_eq!(why, "limit reached: output");
}

#[tokio::test]
async fn execute_takes_no_more_standard_input_than_it_copies() {
    /// As `error` has them in wit/host/types.wit.
    const LIMIT_REACHED: u8 = 9;
    let imports = format!(
        r#"{CREATING}
        (import "mimobox:host/execute@0.1.0" "execute" (func $execute (param i32) (result i32)))
        (import "mimobox:host/execute@0.1.0" "[async-lower][future-read-0]execute"
          (func $read-executed (param i32 i32) (result i32)))"#
    );
    // The arguments are the sandbox, at 8 the command, at 72 the standard input. Of the answer, the first byte says
    // whether it is an error, and the eighth which. So `run` gives 0 and that.
    let body = "(local $future i32)
        (drop (memory.grow (i32.const 300)))
        (i32.store (i32.const 0) (call $sandbox))
        (i32.store (i32.const 72) (i32.const 4096))
        (i32.store (i32.const 76) (i32.const 16777217))
        (local.set $future (call $execute (i32.const 0)))
        (call $settle (call $read-executed (local.get $future) (i32.const 200)) (local.get $future))
        (if (i32.eqz (i32.load8_u (i32.const 200))) (then unreachable))
        (i32.store8 (i32.const 404) (i32.load8_u (i32.const 208)))
        (i32.const 400)";
    let guest = runner(&handmade::orchestrator(&imports, SANDBOX, body)).unwrap();
    assert_eq!(Stand::new().run(&guest, &[]).await.code.unwrap(), LIMIT_REACHED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_components_run_at_once_on_many_threads() {
    let runs = (0..24).map(|_| {
        tokio::spawn(async { Stand::new().orchestrate(&["many", "8"]).await.printed().lines().count() })
    });
    for run in runs.collect::<Vec<_>>() {
        assert_eq!(run.await.unwrap(), 8);
    }
}

#[tokio::test]
async fn events_come_in_order_and_the_end_comes_last() {
    let stand = Stand::new();
    let ended = stand.orchestrate(&["events", "echo", "hello"]).await;
    assert_eq!(ended.printed(), "stdout \"hello\\n\"\nexited with 0\n");
    let ended = stand.orchestrate(&["events", "ls", "/nowhere"]).await;
    assert_eq!(ended.printed(), "stderr \"ls: not found\\n\"\nexited with 2\n");
    let ended = stand.orchestrate(&["events", "true"]).await;
    assert_eq!(ended.printed(), "exited with 0\n");
}

#[tokio::test]
async fn what_can_be_taken_once_is_empty_the_second_time_and_says_why() {
    let ended = Stand::new().orchestrate(&["twice"]).await;
    let expected = "stdout: already exists\nevents: already exists\nfirst: \"hello\\n\"\nexited with 0\n";
    assert_eq!(ended.printed(), expected);
}

#[tokio::test]
async fn a_signal_ends_a_command_and_what_has_ended_is_gone() {
    let ended = Stand::new().orchestrate(&["signal"]).await;
    assert_eq!(ended.printed(), "ended by signal 15\nagain: gone\n");
}

#[tokio::test]
async fn dropping_a_handle_ends_what_it_stands_for() {
    let ended = Stand::new().orchestrate(&["drop"]).await;
    assert_eq!(ended.printed(), "2 processes\n1 processes\nprocess: gone\nsignal: gone\n");
}

#[tokio::test]
async fn a_detached_process_can_be_taken_back_once() {
    let ended = Stand::new().orchestrate(&["detach"]).await;
    let lines: Vec<&str> = ended.printed().lines().collect();
    let [twice, stdout, status, nothing] = lines[..] else { panic!("{ended:?}") };
    assert!(twice.starts_with("attached twice: "), "{twice}");
    assert_eq!(
        [stdout, status, nothing],
        ["stdout: \"hello\\n\"", "exited with 0", "attached to nothing: not found"]
    );
}

#[tokio::test]
async fn a_paused_sandbox_stands_still_until_it_is_resumed() {
    let ended = Stand::new().orchestrate(&["pause"]).await;
    assert_eq!(ended.printed(), "paused\nSome(\"hello\")\nexited with 0\n");
}

#[tokio::test]
async fn a_sandbox_says_what_it_enforces_and_uses() {
    let stand = Stand::new();
    let ended = stand.orchestrate(&["enforcement"]).await;
    assert_eq!(ended.printed(), "fake absent: a backend for tests enforces nothing\n");
    let ended = stand.orchestrate(&["usage"]).await;
    assert_eq!(ended.printed(), "processes 1\nmemory 0\nmemory-peak 0\ncpu-time 0\n");
}

#[tokio::test]
async fn many_sandboxes_run_at_once() {
    let ended = Stand::new().orchestrate(&["many", "32"]).await;
    let expected: String = (0..32).map(|number| format!("{number}\n")).collect();
    assert_eq!(ended.printed(), expected);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_says_what() {
    let ended = Stand::new().orchestrate(&["invalid"]).await;
    let expected = [
        "NUL in the program: invalid argument: program: holds a NUL byte",
        "NUL in an argument: invalid argument: arguments: holds a NUL byte",
        "NUL in a variable: invalid argument: environment: holds a NUL byte",
        "no program: invalid argument: program: empty",
        "10,000 arguments: invalid argument: arguments: 10000 given; at most 8192",
        "no time: invalid argument: timeout: zero",
        "584 years: invalid argument: timeout: longer than 2^53 nanoseconds",
        "not found: not found",
    ];
    for line in expected {
        assert!(ended.printed().lines().any(|printed| printed == line), "{line}: {ended:?}");
    }
}

#[tokio::test]
async fn what_has_no_backend_yet_says_so_by_name() {
    let ended = Stand::new().orchestrate(&["unsupported"]).await;
    assert_eq!(ended.printed(), "http.send is unsupported\n");
}

#[tokio::test]
async fn a_host_that_keeps_no_snapshots_says_so() {
    let ended = Stand::new().orchestrate(&["snapshots"]).await;
    let RunError::GaveUp(why) = ended.error() else { panic!("{ended:?}") };
    assert_eq!(why, "this backend cannot do snapshots: this host keeps none");
}

#[tokio::test]
async fn sleep_clocks_and_random_numbers_are_there() {
    let stand = Stand::new();
    assert_eq!(stand.orchestrate(&["sleep", "20"]).await.printed(), "slept\n");
    let (first, second) =
        (stand.orchestrate(&["clock-and-random"]).await, stand.orchestrate(&["clock-and-random"]).await);
    assert_eq!(first.printed().lines().count(), 3);
    assert_ne!(first.stdout, second.stdout);
}

#[tokio::test]
async fn both_outputs_go_where_the_embedder_says() {
    let ended = Stand::new().orchestrate(&["print-both"]).await;
    assert_eq!(ended.printed(), "to standard output\n");
    assert_eq!(ended.stderr, "to standard error\n");
}

#[tokio::test]
async fn a_guest_whose_output_nobody_takes_waits_until_its_deadline() {
    let (writer, _reader) = duplex(8);
    let sink = Sink::new(writer, false);
    let invocation = invocation(&["print-both"], Stdio { stdout: sink.clone(), stderr: sink }, soon());
    let run = Stand::new().manager.begin(Subject::default());
    let error = orchestrator().run(run, invocation).await.unwrap_err();
    assert!(matches!(error, RunError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn a_guest_whose_output_was_closed_goes_on() {
    let (writer, reader) = duplex(8);
    drop(reader);
    let sink = Sink::new(writer, false);
    let invocation =
        invocation(&["print-both"], Stdio { stdout: sink.clone(), stderr: sink }, RunLimits::default());
    let run = Stand::new().manager.begin(Subject::default());
    assert_eq!(orchestrator().run(run, invocation).await.unwrap(), 0);
}

#[tokio::test]
async fn sandboxes_that_a_guest_leaves_behind_are_destroyed() {
    assert_eq!(Stand::new().orchestrate(&["leak", "20"]).await.printed(), "20 sandboxes left\n");
}

#[tokio::test]
async fn a_guest_that_traps_leaves_no_sandbox_behind() {
    let ended = Stand::new().orchestrate(&["trap"]).await;
    assert!(matches!(ended.error(), RunError::Trapped(_)), "{ended:?}");
}

#[tokio::test]
async fn a_guest_s_own_reason_is_told_without_what_a_terminal_would_obey() {
    let ended = Stand::new().orchestrate(&["fail"]).await;
    let RunError::GaveUp(why) = ended.error() else { panic!("{ended:?}") };
    assert_eq!(why, "nothing went well\\u{1b}[2J");
}

#[tokio::test]
async fn a_guest_that_writes_to_what_nobody_reads_waits_until_its_deadline() {
    let ended = Stand::new().run_within(orchestrator(), &["unread"], soon()).await;
    assert!(matches!(ended.error(), RunError::TimedOut { .. }), "{ended:?}");
}

#[tokio::test]
async fn a_hundred_thousand_handles_are_refused_kind_by_kind() {
    let ended = Stand::new().orchestrate(&["handles", "100000"]).await;
    assert!(matches!(ended.error(), RunError::Trapped(_)), "{ended:?}");
    let expected = "refused after 48 sandboxes: limit reached: sandboxes of one run\n\
                    refused after 32 processes: limit reached: commands at once in a sandbox\n";
    assert_eq!(ended.stdout, expected);
}

#[tokio::test]
async fn a_guest_with_too_many_handles_is_told_and_nothing_is_left_of_the_last() {
    let limits = RunLimits { handles: 30, ..RunLimits::default() };
    let ended = Stand::new().run_within(orchestrator(), &["many", "40"], limits).await;
    assert!(ended.code.is_err(), "{ended:?}");
}

#[tokio::test]
async fn guests_of_rust_that_recurse_or_allocate_without_end_are_stopped() {
    let stand = Stand::new();
    let ended = stand.orchestrate(&["recurse"]).await;
    assert!(matches!(ended.error(), RunError::Trapped(_)), "{ended:?}");
    let limits = RunLimits { memory: 64 * 1024 * 1024, ..RunLimits::default() };
    let ended = stand.run_within(orchestrator(), &["allocate"], limits).await;
    assert!(matches!(ended.error(), RunError::OutOfMemory { .. }), "{ended:?}");
}

#[tokio::test]
async fn an_operation_goes_on_when_its_future_is_dropped_and_its_sandbox_is_destroyed() {
    let imports = r#"
        (import "mimobox:host/sandbox@0.1.0" "create" (func $create (param i32) (result i32)))
        (import "mimobox:host/sandbox@0.1.0" "[future-drop-readable-0]create" (func $drop (param i32)))"#;
    // A spec of zeroes asks for nothing in particular.
    let body = "(call $drop (call $create (i32.const 1024))) (i32.const 0)";
    let stand = Stand::new();
    let ended = stand.run(&runner(&handmade::orchestrator(imports, "", body)).unwrap(), &[]).await;
    assert_eq!(ended.code.unwrap(), 0);
    let entries = stand.audit.entries();
    for expected in ["Requested", "Created", "Finished"] {
        assert!(entries.iter().any(|entry| entry.starts_with(expected)), "{expected}: {entries:#?}");
    }
}

#[tokio::test]
async fn a_guest_that_drops_futures_begins_no_more_than_so_many_operations() {
    let imports = r#"
        (import "mimobox:host/sandbox@0.1.0" "create" (func $create (param i32) (result i32)))
        (import "mimobox:host/sandbox@0.1.0" "[future-drop-readable-0]create" (func $drop (param i32)))"#;
    let body = "(local $left i32)
        (local.set $left (i32.const 20000))
        (loop
          (call $drop (call $create (i32.const 1024)))
          (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (i32.const 0)";
    let stand = Stand::new();
    let ended = stand.run(&runner(&handmade::orchestrator(imports, "", body)).unwrap(), &[]).await;
    assert_eq!(ended.code.unwrap(), 0);
    let made = stand.audit.entries().iter().filter(|entry| entry.starts_with("Created")).count();
    assert!(made <= 1024, "{made} sandboxes were made");
}

#[tokio::test]
async fn a_plain_program_gets_its_arguments_and_gives_its_exit_code() {
    let command = runner(&built("test-command")).unwrap();
    let ended = Stand::new().run(&command, &["42", "and more"]).await;
    assert_eq!(ended.stdout, "42\nand more\n");
    assert_eq!(ended.code.unwrap(), 42);
    assert_eq!(Stand::new().run(&command, &[]).await.code.unwrap(), 1);
}

#[tokio::test]
async fn a_component_runs_with_no_more_than_it_imports() {
    let narrow = component(&built("test-narrow-imports"));
    let grants = Grants::from_iter([HostInterface::Execute]);
    let ended = Stand::new().run(&Runner::new(engine(), &narrow, &grants).unwrap(), &[]).await;
    assert_eq!(ended.printed(), "hello\n");

    let error = Runner::new(engine(), &narrow, &Grants::default()).unwrap_err();
    let PrepareError::Imports(refused) = error else { panic!("{error}") };
    assert_eq!(refused.not_granted, ["mimobox:host/sandbox@0.1.0", "mimobox:host/execute@0.1.0"]);
}

#[test]
fn a_component_that_a_toolchain_built_is_refused_for_what_no_host_has() {
    let error = runner(&built("test-unknown-import")).unwrap_err();
    assert_eq!(error.to_string(), "it imports what this host does not have: acme:teleport/teleport@1.0.0");
}
