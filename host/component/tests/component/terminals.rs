//! Interface `pty`: a terminal as a guest has it.

use crate::stand::Stand;

#[tokio::test]
async fn a_terminal_echoes_resizes_interrupts_and_hangs_up() {
    let ended = Stand::new().orchestrate(&["terminal"]).await;
    let expected = [
        "cat: \"hello\\r\\nhello\\r\\n\", exited with 0",
        "again: Some(AlreadyExists)",
        "resized late: Some(Gone)",
        "killed late: Some(Gone)",
        "sizes: true true, exited with 7",
        "input taken twice: Some(Gone)",
        "interrupted: ended by signal 2",
        "killed: ended by signal 9",
        "hung up: none left",
        "no size: Some(InvalidArgument(\"size: no columns or no rows\"))",
        "no program: Some(NotFound)",
        "left: Some(Gone)",
    ];
    assert_eq!(ended.printed().lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_guest_that_asks_for_ten_thousand_sessions_gets_the_operator_s_number() {
    let ended = Stand::new().orchestrate(&["sessions", "10000"]).await;
    let expected = "32 sessions, 9968 refused: limit reached: commands at once in a sandbox\n";
    assert_eq!(ended.printed(), expected);
}
