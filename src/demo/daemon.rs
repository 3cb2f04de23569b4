//! The daemon of the demonstration: its own process, its own directory.

use crate::client::Client;
use anyhow::{Context, bail, ensure};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// The secret that the demonstration's webhooks are signed with.
pub(super) const WEBHOOK_SECRET: &str = "whsec_demonstration";

/// How long starting and stopping may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The running daemon, or its place while it is down.
pub(super) struct Daemon {
    program: PathBuf,
    home: PathBuf,
    api: SocketAddr,
    ops: SocketAddr,
    key: String,
    child: Option<Child>,
}

impl Daemon {
    /// Writes the settings, makes a key, and starts the daemon.
    pub(super) async fn prepare(program: &Path, home: &Path) -> anyhow::Result<Self> {
        let (api, ops) = (free_address()?, free_address()?);
        let settings = format!(
            "[server]\nlisten = \"{api}\"\nops_listen = \"{ops}\"\n\
             [database]\nurl = \"sqlite://{}/creditd.db\"\n\
             [stripe]\nwebhook_secrets = [\"{WEBHOOK_SECRET}\"]\n\
             [mail]\nfrom = \"Atelier <credits@atelier.example>\"\n\
             {CATALOGUE}",
            home.display()
        );
        tokio::fs::write(home.join("creditd.toml"), settings).await?;
        let mut daemon = Self {
            program: program.to_owned(),
            home: home.to_owned(),
            api,
            ops,
            key: String::new(),
            child: None,
        };
        daemon.start().await?;
        let scopes = ["--scope", "usage", "--scope", "read", "--scope", "manage"];
        let made = daemon.command(&[&["keys", "create"][..], &scopes].concat()).await?;
        ensure!(
            made.status.success(),
            "no key was made: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        daemon.key = String::from_utf8(made.stdout)?.trim().to_owned();
        Ok(daemon)
    }

    /// A client of the daemon.
    pub(super) fn client(&self) -> Client {
        Client::new(self.api, &self.key)
    }

    /// Where its mails lie.
    pub(super) fn mail_dir(&self) -> PathBuf {
        self.home.join("mail")
    }

    /// Starts the process and waits until it is ready.
    pub(super) async fn start(&mut self) -> anyhow::Result<Duration> {
        let log = std::fs::File::options().create(true).append(true).open(self.home.join("log"))?;
        let began = std::time::Instant::now();
        let child = self
            .invocation(&["serve"])
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("the daemon cannot be started")?;
        let child = self.child.insert(child);
        let ops = Client::new(self.ops, "");
        while began.elapsed() < PATIENCE {
            if let Some(status) = child.try_wait()? {
                bail!("the daemon ended at once: {status}");
            }
            if ops.get("/readyz").await.is_ok_and(|answer| answer.status.is_success()) {
                return Ok(began.elapsed());
            }
            sleep(Duration::from_millis(5)).await;
        }
        bail!("the daemon was not ready after {} s", PATIENCE.as_secs())
    }

    /// Runs one of its commands beside it.
    pub(super) async fn command(&self, words: &[&str]) -> anyhow::Result<Output> {
        Ok(self.invocation(words).output().await?)
    }

    /// Kills it as a power cut would: no warning, no clean-up.
    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Asks it to stop and waits until it has; its exit must be clean.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let pid = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        let pid = pid.context("the daemon has no process id")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let status = timeout(PATIENCE, child.wait()).await.context("it did not stop in time")??;
        ensure!(status.success(), "it stopped with {status}");
        Ok(())
    }

    /// Ends it whatever happened.
    pub(super) async fn end(&mut self) {
        if self.stop().await.is_err() && self.kill().await.is_err() {
            println!("   the daemon could not be ended");
        }
    }

    /// What it said last.
    pub(super) fn last_log_lines(&self) -> String {
        let log = std::fs::read_to_string(self.home.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    fn invocation(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        let strange = std::env::vars_os().map(|(name, _)| name);
        for name in strange.filter(|name| name.to_string_lossy().starts_with("CREDITD_")) {
            command.env_remove(name);
        }
        command
            .args(words)
            .arg("--config")
            .arg(self.home.join("creditd.toml"))
            .env("STATE_DIRECTORY", &self.home)
            .env_remove("CREDENTIALS_DIRECTORY")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

/// The shipped plans, with prices of the demonstration's Stripe.
const CATALOGUE: &str = r#"
[[plans]]
id = "free"
class = "free"
rank = 0
message = [{ per = "day", credits = "5" }]
integration = [{ per = "day", credits = "25" }]
[[plans]]
id = "starter"
class = "paid"
rank = 1
prices = ["price_starter"]
message = [{ per = "month", credits = "100" }]
integration = [{ per = "month", credits = "2000" }]
[[plans]]
id = "builder"
class = "paid"
rank = 2
prices = ["price_builder"]
message = [{ per = "month", credits = "250" }]
integration = [{ per = "month", credits = "10000" }]
"#;

/// An address on loopback that is free now.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
