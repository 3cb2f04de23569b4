//! Who may read the secrets, and whether the state directory can be written and has room.

use super::finding::Finding;
use crate::settings::{Engine, Settings, Shown, secret_files};
use rustix::fs::{statfs, statvfs};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

const SECRETS: &str = "secrets";
const STATE: &str = "state directory";

/// Below so many bytes there is no room.
const ROOM_MIN: u64 = 64 * 1024 * 1024;

/// Below so many bytes there will be none soon.
const ROOM_LOW: u64 = 1024 * 1024 * 1024;

/// File systems of other machines, by the number that the kernel gives them: NFS, CIFS, SMB2.
const REMOTE: [i64; 3] = [0x6969, 0xff53_4d42, 0xfe53_4d42];

/// How a value that is a secret, or holds one, is shown.
const HIDDEN: &str = "(hidden)";

/// Whether any secret lies where others can read it.
pub(super) fn secrets(settings: &Settings) -> Vec<Finding> {
    let set = settings.shown.iter().filter(|shown| shown.value.contains(HIDDEN));
    let mut files: Vec<PathBuf> = Vec::new();
    let mut findings = Vec::new();
    let mut count = 0_usize;
    for Shown { key, origin, .. } in set {
        count = count.saturating_add(1);
        if origin.starts_with("CREDITD_") {
            findings.push(Finding::warn(
                SECRETS,
                format!("{key} is set by the variable {origin}, which processes of the same user can read"),
                "let it be a credential: LoadCredential= in creditd.service",
            ));
            continue;
        }
        let file = origin.strip_prefix("credential ").unwrap_or(origin);
        files.push(file.into());
    }
    files.extend(beside(settings));
    files.sort();
    files.dedup();
    for file in &files {
        let Ok(found) = fs::metadata(file) else { continue };
        if found.mode() & 0o077 != 0 {
            let shown = file.display();
            let mode = found.mode() & 0o7777;
            findings.push(Finding::fail(
                SECRETS,
                format!("{shown} holds a secret, and others can read it (mode {mode:04o})"),
                format!(
                    "chmod 600 {shown}; in settings that all may read, move it to a credential"
                ),
            ));
        }
    }
    if findings.is_empty() {
        let found = match count {
            0 => "none is set".to_owned(),
            1 => "1 is set, and others cannot read it".to_owned(),
            many => format!("{many} are set, and others cannot read them"),
        };
        findings.push(Finding::ok(SECRETS, found));
    }
    findings
}

/// Files beside the settings that systemd hands over as credentials.
fn beside(settings: &Settings) -> Vec<PathBuf> {
    let folder = settings.file.as_deref().and_then(Path::parent);
    let named = |folder: &Path| secret_files().map(|name| folder.join(name));
    folder.map(named).into_iter().flatten().filter(|file| file.exists()).collect()
}

/// Whether what we write to the disk can be written.
pub(super) fn state_directory(settings: &Settings) -> Vec<Finding> {
    let uses_file = settings.database.url.engine() == Engine::Sqlite;
    let database = settings.database.url.expose().strip_prefix("sqlite://").map(PathBuf::from);
    let folder = match &database {
        Some(file) => file.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf),
        None => settings.state_dir.clone(),
    };
    if !uses_file && settings.mail.smtp.is_some() {
        return vec![Finding::ok(STATE, "not needed: the books and the mails go elsewhere")];
    }
    let mut findings = directory(&folder);
    if let (true, Some(file)) = (findings.is_empty(), &database) {
        findings.extend(owners(&folder, file));
    }
    if findings.is_empty() {
        findings.push(room(&folder));
        findings.extend(uses_file.then(|| remote(&folder)).flatten());
    }
    findings
}

/// What keeps us from writing into a directory.
fn directory(folder: &Path) -> Vec<Finding> {
    let shown = folder.display();
    let found = match fs::metadata(folder) {
        Ok(found) => found,
        Err(error) => {
            let why = format!("{shown} is not there: {error}");
            return vec![Finding::warn(STATE, why, "`creditd serve` makes it, if it may")];
        }
    };
    if !found.is_dir() {
        return vec![Finding::fail(STATE, format!("{shown} is no directory"), "remove it")];
    }
    let probe = tempfile::Builder::new().prefix(".creditd-doctor-").tempfile_in(folder);
    if let Err(error) = probe {
        let why = format!("{shown} cannot be written: {error}");
        let mend = format!("let it belong to the daemon's user (it is {})", owner(&found));
        return vec![Finding::fail(STATE, why, mend)];
    }
    Vec::new()
}

fn owner(found: &Metadata) -> String {
    format!("owned by uid {}, mode {:04o}", found.uid(), found.mode() & 0o7777)
}

/// Files of the database that belong to somebody else than their directory: a command of root's made
/// them, and the daemon cannot write them.
fn owners(folder: &Path, database: &Path) -> Option<Finding> {
    let of = |path: &Path| fs::metadata(path).ok().map(|found| found.uid());
    let name = database.file_name()?.to_string_lossy().into_owned();
    let files = ["", "-wal", "-shm", ".lock"].map(|end| folder.join(format!("{name}{end}")));
    let owners = files.map(|file| (of(&file), file));
    let shown = stranger(of(folder)?, &owners)?.display();
    Some(Finding::fail(
        STATE,
        format!("{shown} belongs to another user than its directory"),
        format!("chown --reference={} {shown}", folder.display()),
    ))
}

/// The first of these files, with their owners, that is there and belongs to somebody else.
fn stranger(ours: u32, files: &[(Option<u32>, PathBuf)]) -> Option<&Path> {
    let is_other = |(owner, _): &&(Option<u32>, PathBuf)| owner.is_some_and(|owner| owner != ours);
    files.iter().find(is_other).map(|(_, file)| file.as_path())
}

fn room(folder: &Path) -> Finding {
    let shown = folder.display();
    match statvfs(folder) {
        Ok(found) => judge_room(&shown.to_string(), found.f_bavail.saturating_mul(found.f_frsize)),
        Err(error) => Finding::warn(STATE, format!("{shown}: its room is not known: {error}"), "-"),
    }
}

fn judge_room(shown: &str, free: u64) -> Finding {
    let found = format!("{shown} can be written, {} MiB are free", free / (1024 * 1024));
    let mend = "make room: without it debits and webhooks get 503";
    match free {
        ..ROOM_MIN => Finding::fail(STATE, found, mend),
        ROOM_MIN..ROOM_LOW => Finding::warn(STATE, found, mend),
        _ => Finding::ok(STATE, found),
    }
}

fn remote(folder: &Path) -> Option<Finding> {
    let kind = statfs(folder).ok()?.f_type;
    REMOTE.contains(&kind).then(|| {
        Finding::fail(
            STATE,
            format!(
                "{} lies on another machine, where SQLite's locks do not hold",
                folder.display()
            ),
            "use a disk of this machine, or PostgreSQL",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::State;
    use std::os::unix::fs::PermissionsExt as _;
    use tempfile::TempDir;

    /// Settings from this text, in a directory of their own.
    fn settings(dir: &TempDir, text: &str, env: &[(&str, &str)]) -> Settings {
        let file = dir.path().join("creditd.toml");
        fs::write(&file, text).unwrap();
        mode(&file, 0o644);
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::load(Some(&file), env, None).unwrap()
    }

    fn mode(file: &Path, mode: u32) {
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[track_caller]
    fn check(findings: &[Finding], state: State, words: &str) {
        let found = findings.iter().any(|f| f.state == state && f.found.contains(words));
        assert!(found, "{words:?} is not in {findings:?}");
    }

    const SECRET: &str = "[stripe]\nwebhook_secrets = [\"whsec_x\"]\n";

    #[test]
    fn a_secret_in_a_file_that_all_can_read_is_a_failure() {
        let dir = TempDir::new().unwrap();
        let settings = settings(&dir, SECRET, &[]);
        check(&secrets(&settings), State::Fail, "creditd.toml holds a secret, and others can read");
        mode(&dir.path().join("creditd.toml"), 0o600);
        check(&secrets(&settings), State::Ok, "1 is set, and others cannot read it");
    }

    #[test]
    fn a_credentials_file_beside_the_settings_is_looked_at_too() {
        let dir = TempDir::new().unwrap();
        let settings = settings(&dir, "", &[]);
        check(&secrets(&settings), State::Ok, "none is set");
        let file = dir.path().join("smtp_url");
        fs::write(&file, "smtp://ada:s3cret@mx").unwrap();
        mode(&file, 0o640);
        check(&secrets(&settings), State::Fail, "smtp_url holds a secret");
        mode(&file, 0o400);
        check(&secrets(&settings), State::Ok, "none is set");
    }

    #[test]
    fn a_secret_in_the_environment_is_warned_of() {
        let dir = TempDir::new().unwrap();
        let settings = settings(&dir, "", &[("CREDITD__STRIPE__API_KEY", "sk_test_x")]);
        check(&secrets(&settings), State::Warn, "stripe.api_key is set by the variable");
    }

    #[test]
    fn the_state_directory_must_be_there_and_be_one() {
        let dir = TempDir::new().unwrap();
        let at = |path: &Path| {
            let text = format!("[database]\nurl = \"sqlite://{}/c.db\"\n", path.display());
            state_directory(&settings(&dir, &text, &[]))
        };
        check(&at(&dir.path().join("missing")), State::Warn, "is not there");
        check(&at(&dir.path().join("creditd.toml")), State::Fail, "is no directory");
        let findings = at(dir.path());
        assert!(findings.iter().any(|f| f.found.contains("can be written")), "{findings:?}");
    }

    #[test]
    fn a_file_that_somebody_else_made_is_told() {
        let file = |name: &str, owner| (owner, PathBuf::from(name));
        let files = [file("c.db", Some(7)), file("c.db-wal", None), file("c.db-shm", Some(0))];
        assert_eq!(stranger(7, &files), Some(Path::new("c.db-shm")));
        assert_eq!(stranger(7, &files[..2]), None, "a file that is not there belongs to nobody");
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("c.db"), "").unwrap();
        assert_eq!(owners(dir.path(), &dir.path().join("c.db")), None);
        assert_eq!(remote(dir.path()), None);
    }

    #[test]
    fn too_little_room_is_told() {
        for (free, state) in [
            (0, State::Fail),
            (ROOM_MIN, State::Warn),
            (ROOM_LOW, State::Ok),
            (u64::MAX, State::Ok),
        ] {
            assert_eq!(judge_room("/x", free).state, state, "{free}");
        }
    }
}
