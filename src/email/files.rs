//! Mails as files, for a daemon that has no mail server.

use crate::email::Failure;
use lettre::Message;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A disk that takes longer is broken.
pub const LONGEST_WRITE: Duration = Duration::from_secs(60);

/// A directory that mails are written to, each as `<outbox id>.eml`.
#[derive(Debug, Clone)]
pub struct MailFiles {
    dir: PathBuf,
}

impl MailFiles {
    /// Mails go to `dir`, which is made when the first one is written.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Where mails go.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a mail, whole and durable or not at all. Writing it again replaces it.
    ///
    /// # Errors
    /// Temporary: the disk is full, or the directory cannot be written.
    pub async fn deliver(&self, id: &str, message: &Message) -> Result<(), Failure> {
        let (dir, id, bytes) = (self.dir.clone(), id.to_owned(), message.formatted());
        let written = tokio::task::spawn_blocking(move || write(&dir, &id, &bytes)).await;
        match written.unwrap_or_else(|stopped| Err(io::Error::other(stopped))) {
            Ok(()) => Ok(()),
            Err(error) => {
                let dir = self.dir.display();
                Err(Failure::temporary(format!("cannot write to {dir}: {error}"))
                    .with_alert("mail_files"))
            }
        }
    }
}

/// Only the daemon's user may read mails: they hold addresses.
fn write(dir: &Path, id: &str, bytes: &[u8]) -> io::Result<()> {
    if id.is_empty() || id.contains(['/', '\0']) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the id cannot be a file's name"));
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let half = dir.join(format!(".{id}.tmp"));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&half, dir.join(format!("{id}.eml")))?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn message(body: &str) -> Message {
        Message::builder()
            .from("c@example.com".parse().unwrap())
            .to("ada@example.org".parse().unwrap())
            .body(body.to_owned())
            .unwrap()
    }

    #[tokio::test]
    async fn a_mail_is_one_whole_private_file() {
        let state = tempfile::tempdir().unwrap();
        let files = MailFiles::new(state.path().join("state/mail"));
        files.deliver("0199-abc", &message("first")).await.unwrap();
        files.deliver("0199-abc", &message("second")).await.unwrap();

        let names: Vec<_> =
            fs::read_dir(files.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["0199-abc.eml"]);
        let path = files.dir().join("0199-abc.eml");
        assert!(fs::read_to_string(&path).unwrap().ends_with("second"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(files.dir()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_made_is_a_temporary_failure() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join("mail"), "a file").unwrap();
        let files = MailFiles::new(state.path().join("mail"));
        let failure = files.deliver("0199-abc", &message("x")).await.unwrap_err();
        assert!(!failure.permanent, "{failure}");
        assert_eq!(failure.alert, Some("mail_files"));
    }

    #[tokio::test]
    async fn an_id_cannot_leave_the_directory() {
        let state = tempfile::tempdir().unwrap();
        let files = MailFiles::new(state.path().join("mail"));
        for id in ["", "../x", "a/b", "a\0b"] {
            assert!(files.deliver(id, &message("x")).await.is_err(), "{id:?}");
        }
    }
}
