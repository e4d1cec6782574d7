//! The contract suite: every behaviour that all backends share, each a function over a [`Harness`].
//!
//! A test target makes a harness and calls [`contract!`], which makes one test of each behaviour. A behaviour uses only
//! what every image has: `true`, `false`, `echo`, `cat`, `sleep`, `yes`, `printenv`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod commands;
mod lives;
mod streams;

use mimobox_sandbox::{Command, Manager, Run, Sandbox, Spec, Subject};

pub use commands::*;
pub use lives::*;
pub use streams::*;

/// What makes sandboxes for a behaviour, under [`mimobox_sandbox::fake::ceiling`] and without a policy.
pub trait Harness {
    /// The manager, ready for use.
    fn manager(&self) -> &Manager;

    /// A run of nobody in particular.
    fn run(&self) -> Run {
        self.manager().begin(Subject { component: "contract".into(), ..Subject::default() })
    }
}

/// A run, and a sandbox of it with all defaults.
async fn sandbox(harness: &impl Harness) -> (Run, Sandbox) {
    let run = harness.run();
    let sandbox = run.create(Spec::default()).await.unwrap();
    (run, sandbox)
}

/// A command that outlives any test.
fn sleeper() -> Command {
    Command::new("sleep").arguments(["3600"])
}

/// Makes one test of each behaviour. `$harness` is an expression that makes a harness inside a runtime; a behaviour that is
/// not in this list is dead code, which the compiler reports.
#[macro_export]
macro_rules! contract {
    ($harness:expr) => {
        $crate::contract! { $harness;
            a_command_s_output_and_exit_code_arrive
            a_failing_command_s_code_arrives
            a_program_that_is_not_there_is_not_found
            a_later_variable_wins
            the_sandbox_s_variables_reach_every_command
            no_standard_input_means_closed
            standard_input_of_execute_arrives_whole
            a_deadline_ends_a_command
            a_deadline_ends_a_command_that_waits_for_input
            a_deadline_ends_a_command_whose_output_nobody_reads
            output_past_the_limit_ends_the_command
            commands_of_one_sandbox_run_at_once
            sixty_four_mebibytes_pass_byte_for_byte
            a_slow_reader_loses_nothing
            standard_output_and_error_stay_apart
            a_closed_reader_ends_an_endless_writer
            a_stream_is_given_once
            a_signal_ends_a_process
            a_signal_to_an_ended_process_is_refused
            an_abandoned_process_is_killed
            a_detached_process_outlives_its_handle
            an_ended_process_is_listed_no_more
            a_paused_sandbox_stands_still
            execute_after_close_is_refused
            closing_twice_is_no_error
            the_end_of_a_run_closes_its_sandboxes
            a_lifetime_ends_a_sandbox
            sixteen_sandboxes_live_at_once
            the_enforcement_report_names_each_mechanism_once
        }
    };
    ($harness:expr; $($behaviour:ident)*) => {
        $(
            #[test]
            fn $behaviour() {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
                runtime.block_on(async {
                    let Some(harness) = $harness else { return };
                    $crate::$behaviour(&harness).await;
                });
            }
        )*
    };
}
