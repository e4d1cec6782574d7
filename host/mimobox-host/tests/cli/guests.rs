//! Components in the text format, for what no toolchain builds on purpose.

/// A plain program whose `run` does this.
pub(crate) fn command(body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
             (core module $module (func (export "run") (result i32) {body}))
             (core instance $instance (instantiate $module))
             (func $run (result (result)) (canon lift (core func $instance "run")))
             (instance $interface (export "run" (func $run)))
             (export "wasi:cli/run@0.2.0" (instance $interface)))"#
    );
    wat::parse_str(text).unwrap()
}

/// A plain program that imports this interface and does nothing.
pub(crate) fn command_that_imports(interface: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
             (import "{interface}" (instance))
             (core module $module (func (export "run") (result i32) i32.const 0))
             (core instance $instance (instantiate $module))
             (func $run (result (result)) (canon lift (core func $instance "run")))
             (instance $interface (export "run" (func $run)))
             (export "wasi:cli/run@0.2.0" (instance $interface)))"#
    );
    wat::parse_str(text).unwrap()
}

/// A policy that imports something.
pub(crate) fn policy_that_imports() -> Vec<u8> {
    let text = r#"(component
        (import "wasi:random/random@0.2.0" (instance))
        (instance $interface)
        (export "mimobox:policy/decision@0.1.0" (instance $interface)))"#;
    wat::parse_str(text).unwrap()
}
