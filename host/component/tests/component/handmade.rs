//! Components in the text format: what no toolchain builds on purpose.
//!
//! Where only the core of a component is odd, its text is that of a core module, and `wit-component` makes a component of
//! it as it does for every compiler. The names by which such a module imports and exports are those of the tool
//! conventions of the component model (`BuildTargets.md`).

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A page of memory of which the first 4 KiB are the test's own, and the allocator that the canonical ABI asks for.
const MEMORY: &str = r#"
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 4096))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.get $next)
      (global.set $next (i32.add (global.get $next) (local.get 3))))
"#;

/// A component of `world`, with this core.
fn encode(folder: &str, world: &str, core: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit").join(folder);
    let (package, _) = resolve.push_dir(folder).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut module = wat::parse_str(core).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

/// An orchestrator whose `run` has this body: it gives the address of a `result<u8, string>`. `imports` and `items` are
/// those of its core module.
pub(crate) fn orchestrator(imports: &str, items: &str, body: &str) -> Vec<u8> {
    let core = format!(
        r#"(module {imports} {MEMORY} {items} (func (export "run") (param i32 i32) (result i32) {body}))"#
    );
    encode("host", "orchestrator", &core)
}

/// What an orchestrator imports to make a sandbox.
pub(crate) const CREATING: &str = r#"
    (import "mimobox:host/sandbox@0.1.0" "create" (func $create (param i32) (result i32)))
    (import "mimobox:host/sandbox@0.1.0" "[async-lower][future-read-0]create"
      (func $read-created (param i32 i32) (result i32)))
    (import "$root" "[waitable-set-new]" (func $new-set (result i32)))
    (import "$root" "[waitable-join]" (func $join (param i32 i32)))
    (import "$root" "[waitable-set-wait]" (func $wait (param i32 i32) (result i32)))
"#;

/// Functions of its core: `$settle` waits until a read of a future that gave this status is done, and `$sandbox` gives the
/// handle of a new sandbox. Both write to the fourth KiB of memory.
pub(crate) const SANDBOX: &str = r#"
    (func $settle (param $status i32) (param $future i32) (local $set i32)
      (if (i32.eq (local.get $status) (i32.const -1))
        (then
          (local.set $set (call $new-set))
          (call $join (local.get $future) (local.get $set))
          (drop (call $wait (local.get $set) (i32.const 3072))))))
    (func $sandbox (result i32) (local $future i32)
      (local.set $future (call $create (i32.const 3584)))
      (call $settle (call $read-created (local.get $future) (i32.const 3200)) (local.get $future))
      (if (i32.load8_u (i32.const 3200)) (then unreachable))
      (i32.load (i32.const 3204)))
"#;

/// A policy whose `decide` has this body: it gets the address of the event and gives that of a verdict.
pub(crate) fn policy(items: &str, body: &str) -> Vec<u8> {
    let core = format!(
        r#"(module {MEMORY} {items}
             (func (export "mimobox:policy/decision@0.1.0#decide") (param $event i32) (result i32) {body}))"#
    );
    encode("policy", "policy", &core)
}

/// A plain program whose `run` has this body and gives 0 when it went well. `imports` are those of the component;
/// `instantiation` says what of them the core module gets.
pub(crate) fn command(imports: &str, instantiation: &str, items: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
             {imports}
             (core module $module {items} (func (export "run") (result i32) {body}))
             (core instance $core (instantiate $module {instantiation}))
             (func $run (result (result)) (canon lift (core func $core "run")))
             (instance $interface (export "run" (func $run)))
             (export "wasi:cli/run@0.2.0" (instance $interface)))"#
    );
    wat::parse_str(text).unwrap()
}

/// A plain program that imports these interfaces, uses nothing of them, and ends well.
pub(crate) fn command_that_imports(interfaces: &[&str]) -> Vec<u8> {
    let imports: String = interfaces.iter().map(|name| format!("(import \"{name}\" (instance))\n")).collect();
    command(&imports, "", "", "(i32.const 0)")
}

/// Any component, from its text.
pub(crate) fn text(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}
