//! Ways around the system call filters. Each ends at a door that is known to be shut: bpf(2).

use mimobox_isolation_tests::{Attempt, Place, without};

fn around_the_filters(name: &'static str) {
    Attempt::new("kernel", name).with("bpf").is_stopped_but_not_in(&Place::weakened(without::seccomp));
}

#[test]
fn executing_oneself_again_takes_no_filter_off() {
    around_the_filters("door_after_executing_oneself");
}

#[test]
fn a_program_in_memory_is_filtered_like_any_other() {
    around_the_filters("door_from_a_file_in_memory");
}

#[test]
fn a_new_thread_is_filtered_like_any_other() {
    around_the_filters("door_from_a_thread");
}

#[test]
fn a_filter_of_one_s_own_allows_nothing_more() {
    around_the_filters("door_after_a_filter_that_allows_all");
}

#[test]
fn filters_cannot_be_switched_off() {
    around_the_filters("door_after_asking_for_no_filter");
}

#[test]
fn high_bits_of_a_call_s_number_change_nothing() {
    let attempt = Attempt::new("kernel", "call_with_high_bits");
    attempt.is_stopped_but_not_in(&Place::weakened(without::seccomp));
}

#[test]
fn calls_of_the_x32_architecture_do_not_exist() {
    let attempt = Attempt::new("kernel", "call_of_x32").where_the_kernel_has_it();
    attempt.is_stopped_but_not_in(&Place::weakened(without::seccomp));
}

#[test]
fn calls_of_32_bits_are_not_let_through() {
    let attempt = Attempt::new("kernel", "call_of_32_bits").where_the_kernel_has_it();
    attempt.is_stopped_but_not_in(&Place::weakened(without::seccomp));
}
