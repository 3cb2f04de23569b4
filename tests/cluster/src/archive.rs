//! Where a server puts its log, for others to recover from.

use crate::cluster::Cluster;
use crate::server::{directory, give};
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A directory of segments of a server's log. Dropping it removes it.
pub struct Archive {
    dir: PathBuf,
}

impl Archive {
    /// An empty one.
    #[expect(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Self {
        let dir = directory();
        give(&dir);
        Self { dir }
    }

    /// The settings of a server that fills it.
    pub fn filling(&self) -> String {
        let dir = self.dir.display();
        format!(
            "archive_mode = on\n\
             archive_command = 'test ! -f {dir}/%f && cp %p {dir}/%f.part && mv {dir}/%f.part {dir}/%f'\n"
        )
    }

    /// The settings of a server that recovers from it.
    pub fn recovering(&self) -> String {
        format!("restore_command = 'cp {}/%f %p'\n", self.dir.display())
    }

    /// Waits until all that the server has committed by now is in it.
    pub fn catch_up(&self, server: &Cluster) {
        let segment = server.sql("postgres", "SELECT pg_walfile_name(pg_switch_wal())");
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.dir.join(segment.trim()).exists() {
            assert!(Instant::now() < deadline, "{segment} is not archived: {}", server.log());
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.dir).expect("nobody writes there any more");
    }
}
