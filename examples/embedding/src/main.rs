//! A program that runs lines that nobody here has read: many small sandboxes at once, and what came of each.
#![allow(clippy::print_stdout, reason = "it is what you see")]

use std::time::Duration;

use mimobox::{Command, Config, EnforcementStatus, Error, ExecuteResult, Result, Sandbox};

/// As they came in.
const SUBMISSIONS: [(&str, &str); 7] = [
    ("honest", "seq 1 1000 | awk '{ sum += $1 } END { print sum }'"),
    ("wrong", "echo 'no such thing' >&2; exit 3"),
    ("endless", "while :; do :; done"),
    ("greedy", "exec tail /dev/zero"),
    ("noisy", "yes"),
    ("curious", "cat /etc/shadow; ls /root"),
    ("outgoing", "exec 3<>/dev/tcp/192.0.2.1/80 || echo 'no way out'"),
];

#[tokio::main]
async fn main() -> Result<()> {
    let config = Config::builder()
        .memory(64 << 20)
        .processes(16)
        .timeout(Duration::from_secs(1))
        .label("example", "embedding")
        .build()?;

    let runs = SUBMISSIONS.map(|(name, line)| {
        let config = config.clone();
        (name, tokio::spawn(async move { judge(&config, line).await }))
    });
    for (name, run) in runs {
        match run.await {
            Ok(Ok(result)) => println!("{name:9} {}", outcome(&result)),
            Ok(Err(error @ Error::LimitReached(_))) => println!("{name:9} {error}"),
            Ok(Err(error)) => return Err(error),
            Err(panicked) => println!("{name:9} {panicked}"),
        }
    }

    let sandbox = Sandbox::with_config(&config).await?;
    let enforced = |status: EnforcementStatus| status == EnforcementStatus::Enforced;
    let count = sandbox.enforcement().iter().filter(|line| enforced(line.status)).count();
    println!("{count} mechanisms in force");
    sandbox.destroy().await
}

/// Each gets a sandbox of its own: what one leaves behind no other finds.
async fn judge(config: &Config, line: &str) -> Result<ExecuteResult> {
    let sandbox = Sandbox::with_config(config).await?;
    let result = sandbox.run(Command::new("/bin/bash").arg("-c").arg(line)).await?;
    sandbox.destroy().await?;
    Ok(result)
}

/// One line for a person.
fn outcome(result: &ExecuteResult) -> String {
    let said = [result.stdout_text(), result.stderr_text()].concat();
    let said = said.lines().next().unwrap_or("nothing").to_owned();
    match result.exit_code {
        Some(code) => format!("exited with {code}: {said}"),
        None => format!("{}: {said}", result.status),
    }
}
