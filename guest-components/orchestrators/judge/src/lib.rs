use mimobox_guest::{Result, Sandbox, println};
async fn run(_arguments: Vec<String>) -> Result<()> {
    let sandbox = Sandbox::builder().mount("submissions", "/submissions").create().await?;
    let out = sandbox.command("ls").arg("/submissions").output().await?;
    println!("{}", out.stdout_text());
    Ok(())
}
mimobox_guest::main!(run);
