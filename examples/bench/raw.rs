//! A connection that costs the machine as little as it can: requests are written as bytes, and of
//! an answer only the status and the length are read.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    head: String,
}

impl Connection {
    /// `key` is the API key that it shows.
    pub(super) async fn open(to: SocketAddr, key: &str) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let head = format!(
            "host: {to}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        );
        Self { stream, answer: Vec::new(), head }
    }

    /// Posts `body` with one more header; the answer's status.
    pub(super) async fn post(&mut self, path: &str, header: &str, body: &str) -> u16 {
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\n{}{header}\r\ncontent-length: {length}\r\n\r\n{body}",
            self.head,
        );
        self.exchange(&request).await
    }

    /// Gets `path`; the answer's status.
    pub(super) async fn get(&mut self, path: &str) -> u16 {
        let request = format!("GET {path} HTTP/1.1\r\n{}\r\n", self.head);
        self.exchange(&request).await
    }

    async fn exchange(&mut self, request: &str) -> u16 {
        self.stream.write_all(request.as_bytes()).await.unwrap();
        self.answer.clear();
        let mut wanted = usize::MAX;
        while self.answer.len() < wanted {
            let read = self.stream.read_buf(&mut self.answer).await.unwrap();
            assert!(read > 0, "the daemon closed the connection");
            if wanted == usize::MAX {
                wanted = whole_length(&self.answer).unwrap_or(usize::MAX);
            }
        }
        std::str::from_utf8(&self.answer[9..12]).unwrap().parse().unwrap()
    }

    /// The body of the last answer.
    pub(super) fn body(&self) -> &str {
        let head = find(&self.answer, b"\r\n\r\n").map_or(0, |at| at + 4);
        std::str::from_utf8(&self.answer[head..]).unwrap()
    }
}

/// How long the answer is in all, once its head is there.
fn whole_length(answer: &[u8]) -> Option<usize> {
    let head = find(answer, b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    })?;
    Some(head + length.ok()?)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
