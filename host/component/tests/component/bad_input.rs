//! What is no component, or none that this host takes: each has its own error.

use std::io;

use mimobox_component::{Component, Grants, HostInterface, PolicyLimits, PrepareError, ReadError, Runner};

use crate::handmade::{command_that_imports, orchestrator, policy, text};
use crate::stand::{component, engine, policy as load_policy, runner};

fn read(bytes: &[u8]) -> ReadError {
    Component::read("guest", bytes, 1024).unwrap_err()
}

#[test]
fn what_does_not_begin_as_webassembly_is_none() {
    for bytes in [&b""[..], b"\0as", b"#!/bin/sh\n", b"(component)", b"\x7fELF\x02\x01\x01\0"] {
        assert!(matches!(read(bytes), ReadError::NotWebAssembly), "{bytes:?}");
    }
}

#[test]
fn a_core_module_is_told_apart_from_a_component() {
    let module = wat::parse_str("(module)").unwrap();
    let error = read(&module);
    assert!(matches!(error, ReadError::CoreModule));
    assert!(error.to_string().contains("not a component"), "{error}");
}

#[test]
fn a_binary_of_an_unknown_version_is_refused() {
    for bytes in [&b"\0asm"[..], b"\0asm\x0e\0\x01\0", b"\0asm\x0d\0\x02\0", b"\0asm\x02\0\0\0"] {
        assert!(matches!(read(bytes), ReadError::UnknownVersion), "{bytes:?}");
    }
}

#[test]
fn one_byte_above_the_limit_is_too_large_and_is_not_read_further() {
    let whole = text("(component)");
    let most = whole.len() as u64;
    assert_eq!(Component::read("guest", &*whole, most).unwrap().size(), whole.len());
    let error = Component::read("guest", &*whole, most - 1).unwrap_err();
    assert!(matches!(error, ReadError::TooLarge { most: limit } if limit == most - 1));

    let endless = io::Read::chain(&*whole, io::repeat(0));
    assert!(matches!(Component::read("guest", endless, 1 << 20), Err(ReadError::TooLarge { .. })));
}

#[test]
fn a_source_that_fails_is_no_component() {
    struct Broken;
    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is on fire"))
        }
    }
    assert!(matches!(Component::read("guest", Broken, 1024), Err(ReadError::Read(_))));
}

#[test]
fn a_component_cut_short_anywhere_is_refused() {
    let whole = orchestrator("", "", "unreachable");
    for length in (8..whole.len()).step_by(7) {
        // Cut between two sections it is still a component, of less.
        match runner(&whole[..length]) {
            Err(PrepareError::Invalid { .. } | PrepareError::NothingToRun) => {}
            other => panic!("{length} bytes: {other:?}"),
        }
    }
    let error = runner(&whole[..whole.len() - 1]).unwrap_err();
    assert!(matches!(error, PrepareError::Invalid { .. }), "{error:?}");
}

#[test]
fn a_damaged_component_never_panics_the_host() {
    let whole = orchestrator("", "", "(i32.const 0)");
    for place in 8..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x55;
        // Some damage leaves a component, for instance in a name; what matters is to come back from all of it.
        let _ = runner(&damaged);
    }
}

#[test]
fn an_interface_that_was_not_granted_is_named() {
    let program =
        component(&command_that_imports(&["mimobox:host/sandbox@0.1.0", "mimobox:host/execute@0.1.0"]));
    let grants = Grants::from_iter([HostInterface::Stream]);
    let error = Runner::new(engine(), &program, &grants).unwrap_err();
    assert!(matches!(error, PrepareError::Imports(_)));
    assert_eq!(error.to_string(), "it imports what the operator did not grant: mimobox:host/execute@0.1.0");
}

#[test]
fn an_interface_that_does_not_exist_is_named() {
    let program = command_that_imports(&["acme:rocket/launch@1.0.0", "wasi:http/outgoing-handler@0.2.0"]);
    let error = runner(&program).unwrap_err();
    assert_eq!(
        error.to_string(),
        "it imports what this host does not have: acme:rocket/launch@1.0.0, wasi:http/outgoing-handler@0.2.0",
    );
    // Who prints a chain of errors must not say it twice.
    assert!(std::error::Error::source(&error).is_none());
}

#[test]
fn every_interface_that_the_host_says_it_has_is_there() {
    let wasi = [
        (
            "cli",
            "0.2",
            "environment exit stderr stdin stdout terminal-input terminal-output terminal-stderr terminal-stdin terminal-stdout",
        ),
        (
            "cli",
            "0.3",
            "environment exit stderr stdin stdout terminal-input terminal-output terminal-stderr terminal-stdin terminal-stdout",
        ),
        ("clocks", "0.2", "monotonic-clock wall-clock"),
        ("clocks", "0.3", "monotonic-clock system-clock types"),
        ("filesystem", "0.2", "preopens types"),
        ("filesystem", "0.3", "preopens types"),
        ("io", "0.2", "error poll streams"),
        ("random", "0.2", "insecure insecure-seed random"),
        ("random", "0.3", "insecure insecure-seed random"),
        (
            "sockets",
            "0.2",
            "instance-network ip-name-lookup network tcp tcp-create-socket udp udp-create-socket",
        ),
        ("sockets", "0.3", "ip-name-lookup types"),
    ];
    let own = "types sandbox execute stream pty files snapshot http timer log";
    let names = |package: String, version: &'static str, interfaces: &'static str| {
        interfaces
            .split(' ')
            .map(move |interface| format!("{package}/{interface}@{version}.0"))
            .collect::<Vec<_>>()
    };
    let mut all = names("mimobox:host".into(), "0.1", own);
    all.extend(
        wasi.into_iter().flat_map(|(package, version, list)| names(format!("wasi:{package}"), version, list)),
    );
    for interface in &all {
        runner(&command_that_imports(&[interface])).unwrap_or_else(|error| panic!("{interface}: {error}"));
    }
}

#[test]
fn an_interface_with_other_functions_than_the_hosts_is_refused() {
    let program = text(
        r#"(component
             (import "mimobox:host/timer@0.1.0" (instance (export "rewind" (func))))
             (core module $module (func (export "run") (result i32) (i32.const 0)))
             (core instance $core (instantiate $module))
             (func $run (result (result)) (canon lift (core func $core "run")))
             (instance $interface (export "run" (func $run)))
             (export "wasi:cli/run@0.2.0" (instance $interface)))"#,
    );
    let error = runner(&program).unwrap_err();
    assert!(matches!(error, PrepareError::WrongType { .. }), "{error:?}");
    assert!(error.to_string().contains("rewind"), "{error}");
}

#[test]
fn a_component_that_is_no_program_is_refused_as_one() {
    let nothing = text("(component)");
    assert!(matches!(runner(&nothing).unwrap_err(), PrepareError::NothingToRun));
    assert!(matches!(runner(&policy("", "unreachable")).unwrap_err(), PrepareError::NothingToRun));
}

#[test]
fn a_program_whose_run_has_another_type_is_refused() {
    let program = text(
        r#"(component
             (core module $module (func (export "run")))
             (core instance $core (instantiate $module))
             (func (export "run") (canon lift (core func $core "run"))))"#,
    );
    assert!(matches!(runner(&program).unwrap_err(), PrepareError::WrongType { .. }));
}

#[test]
fn a_plain_program_whose_run_has_another_type_is_refused() {
    for version in ["0.2.0", "0.3.0"] {
        let program = format!(
            r#"(component
                 (core module $module (func (export "run") (param i32)))
                 (core instance $core (instantiate $module))
                 (func $run (param "speed" u32) (canon lift (core func $core "run")))
                 (instance $interface (export "run" (func $run)))
                 (export "wasi:cli/run@{version}" (instance $interface)))"#
        );
        let error = runner(&text(&program)).unwrap_err();
        assert!(matches!(error, PrepareError::WrongType { .. }), "{error:?}");
    }
}

#[test]
fn a_policy_that_imports_anything_is_refused_and_the_import_named() {
    let importing = text(
        r#"(component
             (import "wasi:random/random@0.2.0" (instance))
             (import "mimobox:host/log@0.1.0" (instance))
             (instance $interface)
             (export "mimobox:policy/decision@0.1.0" (instance $interface)))"#,
    );
    let error = load_policy(&importing, PolicyLimits::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a policy may import nothing; it imports wasi:random/random@0.2.0, mimobox:host/log@0.1.0",
    );
}

#[test]
fn what_is_no_policy_is_refused_as_one() {
    for other in [text("(component)"), orchestrator("", "", "unreachable")] {
        let error = load_policy(&other, PolicyLimits::default()).unwrap_err();
        assert!(matches!(error, PrepareError::NotAPolicy), "{error:?}");
    }
}

#[test]
fn a_policy_without_decide_or_with_another_one_is_refused() {
    let without = r#"(component (instance $i) (export "mimobox:policy/decision@0.1.0" (instance $i)))"#;
    let other = r#"(component
        (core module $module (func (export "decide")))
        (core instance $core (instantiate $module))
        (func $decide (canon lift (core func $core "decide")))
        (instance $i (export "decide" (func $decide)))
        (export "mimobox:policy/decision@0.1.0" (instance $i)))"#;
    for odd in [without, other] {
        let error = load_policy(&text(odd), PolicyLimits::default()).unwrap_err();
        assert!(matches!(error, PrepareError::WrongType { .. }), "{error:?}");
    }
}
