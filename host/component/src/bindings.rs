//! What `bindgen!` makes of the two WIT packages, and nothing else.

#![allow(missing_docs, unreachable_pub, reason = "generated; the items are documented in wit/")]

/// World `orchestrator` of `mimobox:host`.
pub(crate) mod host {
    wasmtime::component::bindgen!({
        world: "orchestrator",
        path: "../../wit/host",
        imports: {
            // Answers once the watch is in place; meanwhile the guest stands still.
            "mimobox:host/files.watch": async | store | trappable,
            default: store | trappable,
        },
        exports: { default: async | store },
        with: {
            "mimobox:host/sandbox.sandbox": mimobox_sandbox::Sandbox,
            "mimobox:host/stream.process": crate::host::stream::Handle,
            "mimobox:host/pty.session": mimobox_sandbox::Session,
            "mimobox:host/snapshot.snapshot": mimobox_sandbox::Snapshot,
            "mimobox:host/snapshot.pool": crate::host::snapshot::Pool,
        },
    });
}

/// World `policy` of `mimobox:policy`.
pub(crate) mod policy {
    wasmtime::component::bindgen!({
        world: "policy",
        path: "../../wit/policy",
        exports: { default: async },
    });
}
