//! A mail server inside the test process whose every answer can be chosen.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the server is about to answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Greeting,
    Hello,
    Auth,
    Sender,
    Recipient,
    Data,
    /// The dot after the content.
    Content,
}

/// What the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What a willing server says.
    Yes,
    /// These lines, CRLF between them.
    Say(&'static str),
    /// Nothing, with the line open.
    Silence,
    /// The line is closed.
    Close,
}

type Script = dyn Fn(Step, u32) -> Answer + Send + Sync;

/// A server on loopback, until dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    /// How many mails were taken so far.
    taken: watch::Receiver<usize>,
}

struct Shared {
    script: Box<Script>,
    counts: Mutex<Vec<(Step, u32)>>,
    mails: Mutex<Vec<String>>,
    taken: watch::Sender<usize>,
}

impl TestServer {
    /// Starts; `script` is asked for each step, with how often that step was reached before.
    pub(crate) async fn start(
        script: impl Fn(Step, u32) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, taken) = watch::channel(0);
        let shared = Arc::new(Shared {
            script: Box::new(script),
            counts: Mutex::default(),
            mails: Mutex::default(),
            taken: sender,
        });
        let stop = CancellationToken::new();
        let (serving, stopped) = (Arc::clone(&shared), stop.clone());
        let tasks = TaskTracker::new();
        let sessions = tasks.clone();
        tasks.spawn(async move {
            while let Some(Ok((stream, _))) = stopped.run_until_cancelled(listener.accept()).await {
                let (shared, stopped) = (Arc::clone(&serving), stopped.clone());
                sessions.spawn(async move {
                    stopped.run_until_cancelled(session(stream, &shared)).await
                });
            }
        });
        Self { address, shared, stop, taken }
    }

    /// A server that takes everything.
    pub(crate) async fn willing() -> Self {
        Self::start(|_, _| Answer::Yes).await
    }

    /// All mails taken, with their dots unstuffed.
    pub(crate) fn mails(&self) -> Vec<String> {
        lock(&self.shared.mails).clone()
    }

    /// How often a step was reached.
    pub(crate) fn count(&self, step: Step) -> u32 {
        let counts = lock(&self.shared.counts);
        counts.iter().find(|(of, _)| *of == step).map_or(0, |(_, count)| *count)
    }

    /// Waits until so many mails were taken.
    pub(crate) async fn wait_for(&self, mails: usize) {
        self.taken.clone().wait_for(|taken| *taken >= mails).await.unwrap();
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn decide(&self, step: Step) -> Answer {
        let before = {
            let mut counts = lock(&self.counts);
            match counts.iter_mut().find(|(of, _)| *of == step) {
                Some((_, count)) => {
                    *count += 1;
                    *count - 1
                }
                None => {
                    counts.push((step, 1));
                    0
                }
            }
        };
        (self.script)(step, before)
    }

    fn take(&self, mail: String) {
        let mut mails = lock(&self.mails);
        mails.push(mail);
        self.taken.send_replace(mails.len());
    }
}

/// Answers to one step; whether the dialogue goes on.
async fn answer(stream: &mut BufReader<TcpStream>, answer: Answer, yes: &str) -> bool {
    let text = match answer {
        Answer::Yes => yes,
        Answer::Say(text) => text,
        Answer::Silence => std::future::pending().await,
        Answer::Close => return false,
    };
    stream.write_all(format!("{text}\r\n").as_bytes()).await.is_ok()
}

async fn session(stream: TcpStream, shared: &Shared) {
    let mut stream = BufReader::new(stream);
    let mut going = answer(&mut stream, shared.decide(Step::Greeting), "220 test").await;
    let mut line = String::new();
    while going {
        line.clear();
        if !matches!(stream.read_line(&mut line).await, Ok(read) if read > 0) {
            return;
        }
        let verb = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let (step, yes) = match verb.as_str() {
            "EHLO" => (Step::Hello, "250-test\r\n250-8BITMIME\r\n250 AUTH PLAIN"),
            "AUTH" => (Step::Auth, "235 welcome"),
            "MAIL" => (Step::Sender, "250 ok"),
            "RCPT" => (Step::Recipient, "250 ok"),
            "DATA" => (Step::Data, "354 go on"),
            "QUIT" => {
                answer(&mut stream, Answer::Yes, "221 bye").await;
                return;
            }
            _ => {
                going = answer(&mut stream, Answer::Yes, "250 ok").await;
                continue;
            }
        };
        let decided = shared.decide(step);
        going = answer(&mut stream, decided, yes).await;
        if step == Step::Data && decided == Answer::Yes && going {
            let Some(mail) = content(&mut stream).await else { return };
            let decided = shared.decide(Step::Content);
            if matches!(decided, Answer::Yes | Answer::Close) {
                shared.take(mail);
            }
            going = answer(&mut stream, decided, "250 taken").await;
        }
    }
}

async fn content(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut mail = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line == ".\r\n" {
            return Some(mail);
        }
        mail.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
