//! A door for commands to the running daemon: a Unix socket in its runtime directory.
//!
//! `creditd reload` asks here, and waits for what the reload came to; a signal has no answer. Only
//! the daemon's user and root can open the directory. A caller sends one line and reads to the end:
//!
//! ```text
//! > reload
//! < done                     or: refused
//! < changed: plans           or all that is wrong, a line each
//! ```

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// The socket's name in the runtime directory.
const NAME: &str = "control";

/// The one line that is understood.
const RELOAD: &str = "reload";

/// How long a caller may take to say its line, or to read the answer.
const CALLER_MAX: Duration = Duration::from_secs(5);

/// How long a command waits for the answer: reading files takes milliseconds.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The longest line that is read, in bytes.
const LINE_MAX: u64 = 64;

/// A caller that waits for a reload.
pub(super) type Asked = oneshot::Sender<Answer>;

/// What a reload came to, as lines; an error where it was refused.
pub type Answer = Result<Vec<String>, Vec<String>>;

/// The socket of the daemon whose runtime directory this is.
#[must_use]
pub fn socket(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join(NAME)
}

/// Listens in a runtime directory. What a daemon that was killed left there is replaced.
///
/// # Errors
/// When no socket can be made there.
pub(super) fn listen(runtime_dir: &Path) -> io::Result<UnixListener> {
    let path = socket(runtime_dir);
    if let Err(error) = fs::remove_file(&path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    UnixListener::bind(path)
}

/// Answers one caller after the other until `stop`.
pub(super) async fn run(
    listener: UnixListener, reloads: mpsc::Sender<Asked>, stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let served = match accepted {
            Ok((caller, _)) => serve(caller, &reloads).await,
            Err(cause) => Err(cause),
        };
        if let Err(cause) = served {
            debug!(%cause, "a command got no answer");
        }
    }
}

async fn serve(mut caller: UnixStream, reloads: &mpsc::Sender<Asked>) -> io::Result<()> {
    let mut line = String::new();
    let mut reader = BufReader::new((&mut caller).take(LINE_MAX));
    timeout(CALLER_MAX, reader.read_line(&mut line)).await??;
    let answer = if line.trim_end() == RELOAD {
        let (asked, answer) = oneshot::channel();
        let gone = || Err(vec!["the daemon is stopping".to_owned()]);
        match reloads.send(asked).await {
            Ok(()) => answer.await.unwrap_or_else(|_| gone()),
            Err(_) => gone(),
        }
    } else {
        Err(vec![format!("only {RELOAD:?} is understood")])
    };
    let (word, lines) = match answer {
        Ok(lines) => ("done", lines),
        Err(lines) => ("refused", lines),
    };
    let text = format!("{word}\n{}\n", lines.join("\n"));
    timeout(CALLER_MAX, caller.write_all(text.as_bytes())).await??;
    caller.shutdown().await
}

/// Asks the daemon behind `socket` to reload, and waits for what it comes to.
///
/// # Errors
/// When no daemon listens there, or it gives no answer in time.
pub fn ask_to_reload(socket: &Path) -> io::Result<Answer> {
    let mut daemon = BlockingStream::connect(socket)?;
    daemon.set_read_timeout(Some(ANSWER_MAX))?;
    daemon.write_all(format!("{RELOAD}\n").as_bytes())?;
    daemon.shutdown(Shutdown::Write)?;
    let mut text = String::new();
    daemon.read_to_string(&mut text)?;
    let mut lines = text.lines().map(str::to_owned);
    match lines.next().as_deref() {
        Some("done") => Ok(Ok(lines.collect())),
        Some("refused") => Ok(Err(lines.collect())),
        Some(_) | None => Err(io::Error::other("the daemon ended before it answered")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_util::task::TaskTracker;

    /// What a caller gets that says `line`, from a daemon whose reloads come to `outcome`.
    async fn said(line: &str, outcome: Answer) -> String {
        let dir = tempfile::tempdir().unwrap();
        let (listener, stop) = (listen(dir.path()).unwrap(), CancellationToken::new());
        let (reloads, mut asked) = mpsc::channel::<Asked>(1);
        let tracker = TaskTracker::new();
        tracker.spawn(run(listener, reloads, stop.clone()));
        tracker.spawn(async move {
            while let Some(asked) = asked.recv().await {
                asked.send(outcome.clone()).unwrap();
            }
        });
        let mut caller = UnixStream::connect(socket(dir.path())).await.unwrap();
        caller.write_all(line.as_bytes()).await.unwrap();
        let mut text = String::new();
        caller.read_to_string(&mut text).await.unwrap();
        stop.cancel();
        tracker.close();
        tracker.wait().await;
        text
    }

    #[tokio::test]
    async fn a_caller_is_told_what_the_reload_came_to() {
        let lines = vec!["changed: plans".to_owned()];
        assert_eq!(said("reload\n", Ok(lines.clone())).await, "done\nchanged: plans\n");
        assert_eq!(said("reload\n", Err(lines.clone())).await, "refused\nchanged: plans\n");
        assert_eq!(said("stop\n", Ok(lines)).await, "refused\nonly \"reload\" is understood\n");
    }

    #[tokio::test]
    async fn a_socket_that_was_left_behind_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        drop(listen(dir.path()).unwrap());
        assert!(socket(dir.path()).exists());
        listen(dir.path()).unwrap();
    }
}
