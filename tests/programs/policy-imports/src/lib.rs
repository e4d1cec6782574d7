//! Would be a policy, did it not import the log: a policy's answer depends on the event alone.

#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use mimobox_policy::{Event, Verdict};

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package test:policy-imports;

            world imports {
                import mimobox:host/log@0.1.0;
            }
        ",
        path: "../../../wit/host",
        generate_all,
    });
}

use bindings::mimobox::host::log::{Level, log};

mimobox_policy::policy!(decide);

fn decide(_event: Event) -> Verdict {
    log(Level::Info, "a policy has no way to say this", &[]);
    Verdict::allow("test-imports")
}
