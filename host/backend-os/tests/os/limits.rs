//! Limits hold, and a sandbox goes on after it has run into one.

use mimobox_sandbox::{Command, Error, ExitStatus, Limits, Sandbox, Spec};

use crate::harness::{Host, MIB, said, sh, text, with_backend};

async fn limited(host: &Host, limits: Limits) -> Sandbox {
    host.run.create(Spec { limits, ..Spec::default() }).await.unwrap()
}

const HOG: &str = "my @a; while (1) { push @a, 'x' x 1_000_000 }";

#[test]
fn a_command_that_takes_all_memory_ends_as_out_of_memory() {
    with_backend(async |host| {
        let sandbox = limited(&host, Limits { memory: Some(48 * MIB), ..Limits::default() }).await;
        let hog = Command::new("perl").arguments(["-e", HOG]);
        assert_eq!(sandbox.execute(hog, Vec::new()).await.unwrap().status, ExitStatus::OutOfMemory);
        assert_eq!(said(&sandbox, "echo alive").await, "alive");
        assert!(sandbox.usage().await.unwrap().memory_peak <= 48 * MIB);
    });
}

#[test]
fn a_command_that_is_killed_otherwise_does_not_count_as_out_of_memory() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        assert_eq!(sh(&sandbox, "kill -9 $$").await.status, ExitStatus::Signaled(9));
    });
}

#[test]
fn files_count_as_memory_and_fill_the_disk_before_they_take_all_of_it() {
    with_backend(async |host| {
        let limits = Limits { memory: Some(32 * MIB), disk: Some(256 * MIB), ..Limits::default() };
        let sandbox = limited(&host, limits).await;
        let finished = sh(&sandbox, "head -c 200000000 /dev/zero > /tmp/big").await;
        assert!(text(&finished.stderr).contains("No space left"), "{}", text(&finished.stderr));
        assert!(sandbox.usage().await.unwrap().memory > 16 * MIB);
        said(&sandbox, "rm /tmp/big").await;
        assert_eq!(said(&sandbox, "echo room > /tmp/room && cat /tmp/room").await, "room");
    });
}

#[test]
fn a_fork_bomb_stays_within_its_limit_and_can_be_ended() {
    with_backend(async |host| {
        let sandbox = limited(&host, Limits { processes: Some(20), ..Limits::default() }).await;
        let bomb =
            sandbox.spawn(Command::new("perl").arguments(["-e", "while (1) { fork }"]), false).await.unwrap();
        let (mut most, mut looked) = (0, 0);
        while most < 3 || looked < 50 {
            most = most.max(sandbox.usage().await.unwrap().processes);
            looked += 1;
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert!(most <= 20, "{most}");
        bomb.kill();
        bomb.wait().await.unwrap();
        sandbox.close().await.unwrap();
    });
}

#[test]
fn a_sandbox_without_room_for_a_process_says_so() {
    with_backend(async |host| {
        let sandbox = limited(&host, Limits { processes: Some(2), ..Limits::default() }).await;
        let sleeper = sandbox.spawn(Command::new("sleep").arguments(["1000"]), false).await.unwrap();
        let refused = sandbox.spawn(Command::new("true"), false).await.unwrap_err();
        assert_eq!(refused, Error::LimitReached("processes".to_owned()));
        sleeper.kill();
        sleeper.wait().await.unwrap();
        assert_eq!(said(&sandbox, "echo again").await, "again");
    });
}

#[test]
fn a_full_disk_is_reported_to_the_program_and_the_sandbox_goes_on() {
    with_backend(async |host| {
        let sandbox = limited(&host, Limits { disk: Some(4 * MIB), ..Limits::default() }).await;
        let finished = sh(&sandbox, "head -c 100000000 /dev/zero > /tmp/big").await;
        assert!(text(&finished.stderr).contains("No space left"), "{}", text(&finished.stderr));
        let size = said(&sandbox, "wc -c < /tmp/big").await.parse::<u64>().unwrap();
        assert!((3 * MIB..=5 * MIB).contains(&size), "{size}");
        // Full as it is, commands run.
        assert_eq!(said(&sandbox, "echo alive").await, "alive");
        said(&sandbox, "rm /tmp/big && echo room > /home/sandbox/room").await;
    });
}

#[test]
fn files_without_end_are_refused_before_they_fill_the_kernel() {
    with_backend(async |host| {
        let sandbox = limited(&host, Limits { disk: Some(4 * MIB), ..Limits::default() }).await;
        let script = "i=0; while true > /tmp/$i; do i=$((i+1)); done 2>/dev/null; echo $i";
        let made = said(&sandbox, script).await.parse::<u64>().unwrap();
        assert!((500..3000).contains(&made), "{made}");
    });
}

#[test]
fn a_share_of_a_processor_is_not_exceeded() {
    with_backend(async |host| {
        let sandbox = limited(&host, Limits { cpu: Some(200), ..Limits::default() }).await;
        let spinner =
            sandbox.spawn(Command::new("sh").arguments(["-c", "while :; do :; done"]), false).await.unwrap();
        // Looked at first, and again last: however long an answer takes, it is counted.
        let since = std::time::Instant::now();
        let from = sandbox.usage().await.unwrap().cpu_time;
        tokio::time::sleep(std::time::Duration::from_millis(800)).await;
        let (used, elapsed) = (sandbox.usage().await.unwrap().cpu_time - from, since.elapsed());
        // Twice the share, for what falls into a period at either end.
        assert!(used < elapsed * 2 / 5, "{used:?} of {elapsed:?}");
        spinner.kill();
        spinner.wait().await.unwrap();
    });
}
