//! A collector of traces: keeps what it is sent, and answers as it is told to.

use crate::daemon::PATIENCE;
use crate::stripe_tools::{sdk_script, tool};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// One span, as OpenTelemetry's types read it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Span {
    pub(super) service: Map<String, Value>,
    pub(super) scope: String,
    pub(super) trace: String,
    pub(super) span: String,
    pub(super) parent: String,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) took: u64,
    pub(super) values: Map<String, Value>,
    /// The traces that it is linked to.
    pub(super) links: Vec<String>,
    pub(super) failure: Option<String>,
    pub(super) flags: u32,
    pub(super) unknown: u32,
}

#[derive(Default)]
struct Shared {
    /// Heads and bodies of what was taken.
    taken: Mutex<Vec<(String, Vec<u8>)>>,
    status: AtomicU16,
    hangs: AtomicBool,
}

pub(super) struct Collector {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Collector {
    /// One that takes everything.
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { status: AtomicU16::new(200), ..Shared::default() });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&serving);
                // A daemon that goes away cuts its connection.
                std::thread::spawn(move || serve(&stream.unwrap(), &shared).ok());
            }
        });
        Self { address, shared }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it answers so, and keeps only what it takes.
    pub(super) fn answer(&self, status: u16) {
        self.shared.status.store(status, Ordering::Release);
    }

    /// From now on it answers nobody.
    pub(super) fn hang(&self) {
        self.shared.hangs.store(true, Ordering::Release);
    }

    /// The heads of the requests that it took.
    pub(super) fn headers(&self) -> Vec<String> {
        self.shared.taken.lock().unwrap().iter().map(|(head, _)| head.clone()).collect()
    }

    /// All spans that it took.
    pub(super) fn spans(&self) -> Vec<Span> {
        let taken = self.shared.taken.lock().unwrap();
        let mut python = Command::new(tool("venv/bin/python"))
            .arg(sdk_script("spans.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = python.stdin.take().unwrap();
        let lines: Vec<String> = taken.iter().map(|(_, body)| base64(body)).collect();
        let feeding = std::thread::spawn(move || {
            lines.iter().for_each(|line| writeln!(stdin, "{line}").unwrap());
        });
        let output = python.wait_with_output().unwrap();
        feeding.join().unwrap();
        assert!(output.status.success(), "spans.py ended with {}", output.status);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// All spans that it took, once there is such a one.
    pub(super) async fn spans_when(&self, is_there: impl Fn(&Span) -> bool) -> Vec<Span> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let spans = self.spans();
            if spans.iter().any(&is_there) {
                return spans;
            }
            assert!(Instant::now() < deadline, "it is not among {spans:?}");
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Takes the requests of one connection.
fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            let line = line.to_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head += &line;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        if shared.hangs.load(Ordering::Acquire) {
            // Until the other side gives up.
            return reader.read_to_end(&mut body).map(|_| ());
        }
        let status = shared.status.load(Ordering::Acquire);
        if status == 200 {
            shared.taken.lock().unwrap().push((head, body));
        }
        let mut stream = stream;
        write!(stream, "HTTP/1.1 {status} so\r\ncontent-length: 0\r\n\r\n")?;
    }
}

/// Bytes as base64 has them.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number =
            (0..3).fold(0, |number, at| number << 8 | usize::from(*group.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let known = at <= group.len();
            let letter = LETTERS[number >> (18 - 6 * at) & 63];
            text.push(if known { char::from(letter) } else { '=' });
        }
    }
    text
}
