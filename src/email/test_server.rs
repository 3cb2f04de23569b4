//! A mail server inside the test process whose every answer can be chosen.

use std::net::SocketAddr;
use std::sync::Arc;
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
    /// What a willing server says, once the test lets it.
    Held,
    /// The line is closed.
    Close,
}

type Script = dyn Fn(Step, u32) -> Answer + Send + Sync;

/// A server on loopback, until dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

struct Shared {
    script: Box<Script>,
    log: watch::Sender<Log>,
    /// Whether held answers may go.
    free: watch::Sender<bool>,
}

/// What happened so far.
#[derive(Debug, Default)]
struct Log {
    counts: Vec<(Step, u32)>,
    mails: Vec<String>,
    open: u32,
    open_max: u32,
}

impl Log {
    fn count(&self, step: Step) -> u32 {
        self.counts.iter().find(|(of, _)| *of == step).map_or(0, |(_, count)| *count)
    }
}

impl TestServer {
    /// Starts; `script` is asked for each step, with how often that step was reached before.
    pub(crate) async fn start(
        script: impl Fn(Step, u32) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            log: watch::Sender::default(),
            free: watch::Sender::default(),
        });
        let stop = CancellationToken::new();
        let (serving, stopped) = (Arc::clone(&shared), stop.clone());
        let tasks = TaskTracker::new();
        let sessions = tasks.clone();
        tasks.spawn(async move {
            while let Some(Ok((stream, _))) = stopped.run_until_cancelled(listener.accept()).await {
                let (shared, stopped) = (Arc::clone(&serving), stopped.clone());
                sessions.spawn(
                    async move { stopped.run_until_cancelled(serve(stream, &shared)).await },
                );
            }
        });
        Self { address, shared, stop }
    }

    /// A server that takes everything.
    pub(crate) async fn willing() -> Self {
        Self::start(|_, _| Answer::Yes).await
    }

    /// A server that gives this answer to one step, and is willing at all others.
    pub(crate) async fn answering(at: Step, answer: Answer) -> Self {
        Self::start(move |step, _| if step == at { answer } else { Answer::Yes }).await
    }

    /// A server that gives this answer to one step the first time that it is reached.
    pub(crate) async fn answering_once(at: Step, answer: Answer) -> Self {
        Self::start(
            move |step, before| {
                if step == at && before == 0 { answer } else { Answer::Yes }
            },
        )
        .await
    }

    /// All mails taken, with their dots unstuffed.
    pub(crate) fn mails(&self) -> Vec<String> {
        self.shared.log.borrow().mails.clone()
    }

    /// How often a step was reached.
    pub(crate) fn count(&self, step: Step) -> u32 {
        self.shared.log.borrow().count(step)
    }

    /// The most connections that were open at the same time.
    pub(crate) fn open_max(&self) -> u32 {
        self.shared.log.borrow().open_max
    }

    /// Waits until so many mails were taken.
    pub(crate) async fn wait_for_mails(&self, mails: usize) {
        let mut log = self.shared.log.subscribe();
        log.wait_for(|log| log.mails.len() >= mails).await.unwrap();
    }

    /// Waits until a step was reached so often.
    pub(crate) async fn wait_for(&self, step: Step, count: u32) {
        let mut log = self.shared.log.subscribe();
        log.wait_for(|log| log.count(step) >= count).await.unwrap();
    }

    /// Lets held answers go, now and from now on.
    pub(crate) fn release(&self) {
        self.shared.free.send_replace(true);
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    fn decide(&self, step: Step) -> Answer {
        let mut before = 0;
        self.log.send_modify(|log| {
            before = log.count(step);
            log.counts.retain(|(of, _)| *of != step);
            log.counts.push((step, before + 1));
        });
        (self.script)(step, before)
    }

    /// Answers to one step; whether the dialogue goes on.
    async fn answer(&self, stream: &mut Stream, answer: Answer, yes: &str) -> bool {
        let text = match answer {
            Answer::Yes => yes,
            Answer::Say(text) => text,
            Answer::Silence => std::future::pending().await,
            Answer::Held => {
                self.free.subscribe().wait_for(|free| *free).await.unwrap();
                yes
            }
            Answer::Close => return false,
        };
        stream.write_all(format!("{text}\r\n").as_bytes()).await.is_ok()
    }
}

type Stream = BufReader<TcpStream>;

async fn serve(stream: TcpStream, shared: &Shared) {
    shared.log.send_modify(|log| {
        log.open += 1;
        log.open_max = log.open_max.max(log.open);
    });
    session(stream, shared).await;
    shared.log.send_modify(|log| log.open -= 1);
}

async fn session(stream: TcpStream, shared: &Shared) {
    let mut stream = BufReader::new(stream);
    let mut going = shared.answer(&mut stream, shared.decide(Step::Greeting), "220 test").await;
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
                shared.answer(&mut stream, Answer::Yes, "221 bye").await;
                return;
            }
            _ => {
                going = shared.answer(&mut stream, Answer::Yes, "250 ok").await;
                continue;
            }
        };
        let decided = shared.decide(step);
        going = shared.answer(&mut stream, decided, yes).await;
        if step == Step::Data && decided == Answer::Yes && going {
            let Some(mail) = content(&mut stream).await else { return };
            let decided = shared.decide(Step::Content);
            // A line that breaks here leaves the sender in doubt: the mail is taken.
            if matches!(decided, Answer::Yes | Answer::Held | Answer::Close) {
                shared.log.send_modify(|log| log.mails.push(mail));
            }
            going = shared.answer(&mut stream, decided, "250 taken").await;
        }
    }
}

async fn content(stream: &mut Stream) -> Option<String> {
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
