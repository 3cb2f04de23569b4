//! A Prometheus of Debian's, for one test.

use crate::daemon::{Daemon, PATIENCE};
use creditd::client::Client;
use hyper::StatusCode;
use serde_json::Value;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// A running Prometheus; it ends with this.
pub(super) struct Prometheus {
    child: Child,
    client: Client,
    dir: TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        if std::thread::panicking() {
            println!("{}", fs::read_to_string(self.dir.path().join("log")).unwrap_or_default());
        }
    }
}

impl Prometheus {
    /// Starts one that scrapes the daemon under these rules, and waits until it has.
    pub(super) async fn scraping(daemon: &Daemon, rules: &Path) -> Self {
        let dir = TempDir::with_prefix("creditd-prometheus-").unwrap();
        let rules = rules.display();
        let ops = daemon.ops_address();
        let settings = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
             rule_files: [\"{rules}\"]\n\
             scrape_configs:\n\
             \x20 - job_name: creditd\n\
             \x20   static_configs: [{{ targets: [\"{ops}\"] }}]\n"
        );
        fs::write(dir.path().join("prometheus.yml"), settings).unwrap();
        let address = free_address();
        let log = File::create(dir.path().join("log")).unwrap();
        let child = Command::new("/usr/bin/prometheus")
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let prometheus = Self { child, client: Client::new(address, ""), dir };
        prometheus.has_scraped().await;
        prometheus
    }

    async fn has_scraped(&self) {
        let deadline = Instant::now() + PATIENCE;
        let asked = query("creditd_build_info and on (instance) up == 1");
        loop {
            if let Ok(answer) = self.client.get(&asked).await
                && answer.body["data"]["result"].as_array().is_some_and(|found| !found.is_empty())
            {
                return;
            }
            assert!(Instant::now() < deadline, "it has not scraped");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// An answer of its interface.
    pub(super) async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(path).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        answer.body
    }

    /// What an expression comes to, which must be one number.
    pub(super) async fn value(&self, expression: &str) -> f64 {
        let answer = self.get(&query(expression)).await;
        let found = answer["data"]["result"].as_array().unwrap();
        assert_eq!(found.len(), 1, "{expression}: {answer}");
        found[0]["value"][1].as_str().unwrap().parse().unwrap()
    }

    /// An expression must be one that it can evaluate.
    pub(super) async fn evaluates(&self, expression: &str) {
        let answer = self.get(&query(expression)).await;
        assert_eq!(answer["status"], "success", "{expression}");
        assert!(answer["warnings"].is_null(), "{expression}: {answer}");
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The path that asks for an expression.
fn query(expression: &str) -> String {
    let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("/api/v1/query?query={encoded}")
}
