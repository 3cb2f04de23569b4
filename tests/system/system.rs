//! A booted system, and creditd in it.

use creditd::client::Client;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// How long anything that must come to pass may take. Only a broken system is this slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where the API answers, as the package has it.
pub(crate) const API: &str = "127.0.0.1:8080";

/// Where health and metrics answer.
pub(crate) const OPS: &str = "127.0.0.1:9090";

/// The settings that the package brings.
pub(crate) const SETTINGS: &str = include_str!("../../packaging/creditd.toml");

/// The package made of the program under test, and its files unpacked.
pub(crate) struct Package {
    dir: TempDir,
    pub(crate) file: PathBuf,
}

static PACKAGE: LazyLock<Package> = LazyLock::new(Package::make);

impl Package {
    fn make() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let script = root.join("scripts/package");
        let made = Command::new(script).arg(env!("CARGO_BIN_EXE_creditd")).arg(dir.path()).output();
        let file = PathBuf::from(said(&made.unwrap()).trim_end());
        let files = dir.path().join("files");
        let unpack = Command::new("dpkg-deb").arg("-x").arg(&file).arg(&files).output().unwrap();
        said(&unpack);
        Self { dir, file }
    }

    pub(crate) fn made() -> &'static Self {
        &PACKAGE
    }

    fn files(&self) -> PathBuf {
        self.dir.path().join("files")
    }
}

/// A running systemd.
pub(crate) struct System {
    boot: Child,
    first: String,
}

impl System {
    /// Boots one with creditd's files in their places, and these settings besides the package's.
    pub(crate) fn with_creditd(settings: &str) -> Self {
        let system = Self::boot(&Package::made().files());
        system.write("/etc/creditd/creditd.toml", &format!("{SETTINGS}\n{settings}"));
        system
    }

    /// Boots one without creditd.
    pub(crate) fn bare() -> Self {
        Self::boot(TempDir::new().unwrap().path())
    }

    fn boot(layer: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/boot");
        let mut command = Command::new(script);
        command.arg(layer).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut boot = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(boot.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let first = line.split_whitespace().next().expect("it does not boot; see above").to_owned();
        Self { boot, first }
    }

    /// A file of it.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.first))
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// Writes a drop-in for the service and lets systemd read it.
    pub(crate) fn drop_in(&self, lines: &str) {
        self.write(
            "/etc/systemd/system/creditd.service.d/test.conf",
            &format!("[Service]\n{lines}\n"),
        );
        self.done("systemctl daemon-reload");
    }

    /// Runs a command line in it, words apart by spaces.
    pub(crate) fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.first, "-m", "-u", "-i", "-n", "-p", "-C", "--"]);
        command.args(line.split(' ')).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
        command.env("LC_ALL", "C.UTF-8").env("DEBIAN_FRONTEND", "noninteractive");
        command.stdin(Stdio::null());
        command
    }

    /// What a command says that must succeed.
    #[track_caller]
    pub(crate) fn done(&self, line: &str) -> String {
        said(&self.run(line))
    }

    /// What a command says that must fail.
    #[track_caller]
    pub(crate) fn fails(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(!output.status.success(), "{line}: {output:?}");
        all(&output)
    }

    /// A property of the service, as `systemctl show` has it.
    pub(crate) fn property(&self, name: &str) -> String {
        let line = format!("systemctl show creditd.service --value --property={name}");
        self.done(&line).trim_end().to_owned()
    }

    /// Waits until a property of the service is so.
    #[track_caller]
    pub(crate) fn wait_for(&self, name: &str, wanted: &str) {
        wait_until(&format!("{name} is {wanted}"), || self.property(name) == wanted);
    }

    /// All that the unit logged, systemd's own words about it too.
    pub(crate) fn journal(&self) -> String {
        self.done("journalctl --sync");
        self.done("journalctl --unit=creditd.service --output=cat --no-pager")
    }

    /// The unit's journal with all fields.
    pub(crate) fn entries(&self) -> Vec<Value> {
        self.done("journalctl --sync");
        let lines = self.done("journalctl --unit=creditd.service --output=json --no-pager");
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Brings the calling thread into the system's network, with a runtime that stays on it.
    pub(crate) fn enter(&self) -> Runtime {
        let namespace = File::open(format!("/proc/{}/ns/net", self.first)).unwrap();
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    /// An API key for everything.
    pub(crate) fn key(&self) -> String {
        let scopes = "--scope admin --scope manage --scope read --scope usage";
        self.done(&format!("creditd keys create {scopes}")).trim_end().to_owned()
    }

    /// A client of the running daemon with a new key.
    pub(crate) fn client(&self) -> Client {
        Client::new(API.parse().unwrap(), &self.key())
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let units = "--unit=creditd.service --unit=creditd.socket";
            let journal = all(&self.run(&format!("journalctl {units} --no-pager --lines=60")));
            println!("the units' journal:\n{journal}");
        }
        drop(self.boot.stdin.take());
        self.boot.wait().unwrap();
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not so in time: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// Standard output of a command that must have succeeded.
#[track_caller]
pub(crate) fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, all(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// All that a command said.
pub(crate) fn all(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    write!(text, "{}", String::from_utf8_lossy(&output.stderr)).unwrap();
    text
}

/// Makes an account with a workspace and an app of its own, and many message credits.
pub(crate) async fn person(client: &Client, id: &str) {
    let account = json!({ "workspace": id, "email": format!("{id}@creditd.test") });
    for (path, body) in [
        (format!("/v1/accounts/{id}"), account),
        (format!("/v1/apps/{id}-app"), json!({ "owner": id })),
    ] {
        let answer = client.put(&path, &body).await.unwrap();
        assert!(answer.status.is_success(), "{answer:?}");
    }
    let grant = json!({ "kind": "message", "amount": "1000000", "reason": "a test" });
    let path = format!("/v1/accounts/{id}/grants");
    let answer = client.post(&path, &format!("{id}-grant"), &grant).await.unwrap();
    assert!(answer.status.is_success(), "{answer:?}");
}
