//! The contract suite: every behaviour that all backends share, each a function over a [`Harness`].
//!
//! A test target makes a harness and calls [`contract!`], which makes one test of each behaviour. A behaviour uses only
//! what every image has: a shell and the programs of coreutils.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

mod commands;
mod files;
mod lives;
mod snapshots;
mod streams;
mod terminals;
mod watches;

use std::time::Duration;

use mimobox_sandbox::{Command, Manager, Run, Sandbox, Spec, Subject};

pub use commands::*;
pub use files::*;
pub use lives::*;
pub use snapshots::*;
pub use streams::*;
pub use terminals::*;
pub use watches::*;

/// What makes sandboxes for a behaviour, under [`mimobox_sandbox::fake::ceiling`] and without a policy.
pub trait Harness {
    /// The manager, ready for use.
    fn manager(&self) -> &Manager;

    /// A time that is over soon, and in which a command can begin.
    fn moment(&self) -> Duration {
        Duration::from_secs(3)
    }

    /// How long a behaviour may take before it counts as stuck.
    fn patience(&self) -> Duration {
        Duration::from_secs(600)
    }

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

/// A behaviour that gets stuck fails.
pub async fn in_time(patience: Duration, behaviour: impl Future<Output = ()>) {
    tokio::time::timeout(patience, behaviour).await.unwrap();
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
            a_snapshot_brings_the_files_back
            a_snapshot_outlives_its_sandbox
            a_snapshot_is_exported_and_imported
            a_damaged_snapshot_is_refused
            a_fork_multiplies_a_sandbox
            a_fork_that_makes_no_sense_is_refused
            a_restored_sandbox_has_its_own_image
            a_pool_keeps_sandboxes_ready
            sixteen_sandboxes_live_at_once
            the_enforcement_report_names_each_mechanism_once
            sixty_four_mebibytes_are_kept_in_a_file
            commands_and_the_host_see_the_same_files
            a_file_is_replaced_when_its_last_byte_is_in
            a_dropped_writing_leaves_nothing
            a_file_of_another_length_than_announced_is_refused
            bytes_are_put_behind_those_that_are_there
            part_of_a_file_is_read
            a_file_that_is_not_there_is_not_found
            directories_and_files_are_told_apart
            a_directory_s_members_are_listed
            a_directory_of_a_thousand_files_is_listed_whole
            a_new_file_has_the_permissions_that_were_asked_for
            a_directory_is_made
            a_rename_replaces
            a_directory_is_renamed
            files_and_directories_are_removed
            a_removed_link_is_only_a_link
            no_path_leads_out
            links_that_go_round_are_refused
            what_the_user_may_not_write_is_refused
            a_full_disk_is_a_limit
            files_of_one_sandbox_are_not_seen_in_another
            files_are_gone_with_their_sandbox
            a_watch_tells_every_change_in_order
            a_watch_tells_what_comes_and_goes
            a_watch_tells_what_the_host_writes
            a_recursive_watch_sees_all_directories_below
            a_plain_watch_does_not_see_below
            a_watch_ends_when_its_place_is_gone
            a_watch_fails_when_its_sandbox_is_closed
            what_is_typed_is_shown_and_read
            a_terminal_has_a_size
            a_terminal_changes_its_size
            a_senseless_resize_is_refused
            ctrl_c_interrupts
            ctrl_d_ends_the_input
            a_session_s_exit_code_arrives
            a_program_that_is_not_there_opens_no_terminal
            a_killed_session_is_gone
            an_abandoned_session_is_hung_up
            an_abandoned_session_that_stays_is_killed
            the_end_of_what_is_typed_hangs_nothing_up
            all_that_a_session_writes_is_shown
            all_that_is_typed_is_read
            a_deadline_ends_a_session
            a_session_is_gone_with_its_sandbox
            sessions_of_one_sandbox_stay_apart
        }
    };
    ($harness:expr; $($behaviour:ident)*) => {
        $(
            #[test]
            fn $behaviour() {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
                runtime.block_on(async {
                    let Some(harness) = $harness else { return };
                    $crate::in_time($crate::Harness::patience(&harness), $crate::$behaviour(&harness)).await;
                });
            }
        )*
    };
}
