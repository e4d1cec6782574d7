//! Asks for an interface that no host has.

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package acme:teleport@1.0.0;

            interface teleport {
                teleport: func();
            }

            world imports {
                import teleport;
            }
        ",
    });
}

mimobox_guest::main!(run);

async fn run(_arguments: Vec<String>) {
    bindings::acme::teleport::teleport::teleport();
}
