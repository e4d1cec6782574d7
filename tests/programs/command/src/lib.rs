//! A plain program of world `wasi:cli/command`: prints its arguments, one a line, and exits with the number that the
//! first of them is.
//!
//! By bindings and not by std, which on `wasm32-unknown-unknown` knows neither arguments nor output.

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package test:command;

            world command {
                import wasi:cli/environment@0.2.0;
                import wasi:cli/stdout@0.2.0;
                import wasi:cli/exit@0.2.12;
                export wasi:cli/run@0.2.0;
            }

            package wasi:cli@0.2.12 {
                interface exit {
                    exit: func(status: result);
                    exit-with-code: func(status-code: u8);
                }
            }
        ",
        path: [
            "../../../guest-components/sdk-rust/wit/deps/io.wit",
            "../../../guest-components/sdk-rust/wit/deps/cli.wit",
        ],
        generate_all,
    });
}

use bindings::exports::wasi::cli0_2_0::run::Guest;
use bindings::wasi::cli0_2_0::{environment, stdout};
// An exit code other than 0 and 1 came to WASI with this version.
use bindings::wasi::cli0_2_12::exit;

struct Command;

bindings::export!(Command with_types_in bindings);

impl Guest for Command {
    fn run() -> Result<(), ()> {
        // The first is the program's own name.
        let arguments = environment::get_arguments().split_off(1);
        let text: String = arguments.iter().map(|argument| format!("{argument}\n")).collect();
        stdout::get_stdout().blocking_write_and_flush(text.as_bytes()).map_err(drop)?;
        let code = arguments.first().ok_or(())?.parse().map_err(drop)?;
        exit::exit_with_code(code);
        Ok(())
    }
}
