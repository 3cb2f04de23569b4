use super::*;
use std::fs;
use tempfile::TempDir;

/// The exit status, and what was printed on standard output and standard error.
fn creditd(args: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let all = std::iter::once("creditd").chain(args.iter().copied()).map(OsString::from);
    let status = run(all, &mut out, &mut err);
    (status, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn the_command_line_is_well_built() {
    use clap::CommandFactory;
    Cli::command().debug_assert();
}

/// The words of each command, such as `keys create`.
fn commands(of: &clap::Command, before: &str, all: &mut Vec<String>) {
    for command in of.get_subcommands() {
        let words = format!("{before}{}", command.get_name());
        if command.has_subcommands() {
            commands(command, &format!("{words} "), all);
        } else {
            all.push(words);
        }
    }
}

#[test]
fn the_manual_has_a_place_for_every_command() {
    use clap::CommandFactory;
    let manual = include_str!("../../docs/OPERATING.md");
    let (_, section) = manual.split_once("## The command line").unwrap();
    let table = section.split("| status |").next().unwrap();
    let mut all = Vec::new();
    commands(&Cli::command(), "", &mut all);
    for words in all {
        let (first, rest) = words.split_once(' ').unwrap_or((&words, ""));
        let row = table.lines().find(|line| {
            line.contains(&format!("`creditd {first}")) || line.contains(&format!("`{first}"))
        });
        let row = row.unwrap_or_else(|| panic!("{words} is not in the table of the manual"));
        assert!(row.contains(rest), "{words} is not in {row}");
    }
}

/// Commands that only look.
const READS: [&str; 14] = [
    "check-config",
    "config show",
    "doctor",
    "keys list",
    "account show",
    "explain",
    "rewards list",
    "customers list",
    "customers show",
    "subscriptions show",
    "inbox list",
    "inbox show",
    "outbox list",
    "verify",
];

/// Commands that neither answer a question nor change a credit themselves.
const NEITHER: [&str; 6] = ["serve", "demo", "reload", "openapi", "completions", "man"];

#[test]
fn every_read_has_json_and_every_other_command_a_dry_run() {
    use clap::CommandFactory;
    let manual = include_str!("../../docs/OPERATING.md");
    let (_, table) = manual.split_once("| command | dry run prints |").unwrap();
    let table = table.split("\n\n").next().unwrap();
    let named: Vec<&str> = table.split('`').skip(1).step_by(2).collect();
    let mut all = Vec::new();
    commands(&Cli::command(), "", &mut all);
    for words in all.iter().map(String::as_str) {
        let mut command = &Cli::command();
        for word in words.split(' ') {
            command = command.find_subcommand(word).unwrap();
        }
        let has = |option| command.get_arguments().any(|it| it.get_long() == Some(option));
        let reads = READS.contains(&words);
        let writes = !reads && !NEITHER.contains(&words);
        assert_eq!(has("dry-run"), writes, "{words}");
        assert!(!reads || has("json"), "{words}");
        assert_eq!(named.contains(&words), writes, "{words} in the manual's table of dry runs");
    }
}

#[test]
fn what_looks_or_rehearses_makes_no_books() {
    let dir = TempDir::new().unwrap();
    let (file, books) = (dir.path().join("c.toml"), dir.path().join("books.db"));
    fs::write(&file, format!("[database]\nurl = \"sqlite://{}\"\n", books.display())).unwrap();
    let file = file.display().to_string();
    for (line, expected) in [
        ("keys create --scope read --dry-run", 0),
        ("keys revoke key_1 --dry-run", 1),
        ("migrate --dry-run", 0),
        ("keys list", 1),
        ("account show ada", 1),
        ("explain ada", 1),
        ("rewards list", 1),
        ("customers list", 1),
        ("inbox list", 1),
        ("outbox list", 1),
        ("verify", 1),
        ("grant ada --kind message --amount 1 --reason r --dry-run", 1),
        ("seat release s1 --dry-run", 1),
        ("inbox replay --parked --dry-run", 1),
        ("outbox retry --parked --dry-run", 1),
        ("check-config", 0),
    ] {
        let words: Vec<&str> = line.split(' ').chain(["--config", &file]).collect();
        let (status, _, err) = creditd(&words);
        assert_eq!(status, expected, "{line}: {err}");
        assert!(status == 0 || err.contains("there is no database at"), "{line}: {err}");
        assert!(!books.exists(), "{line} made a database");
    }
}

#[test]
fn wrong_use_is_64_and_help_is_no_wrong_use() {
    for args in [
        &[][..],
        &["nonsense"],
        &["keys"],
        &["keys", "create"],
        &["keys", "create", "--scope", "root"],
        &["serve", "--verbose"],
        &["account", "show"],
        &["account", "show", "a b"],
        &["seat", "transfer", "s1"],
        &["grant", "ada", "--kind", "gold", "--amount", "1", "--reason", "r"],
        &["grant", "ada", "--kind", "message", "--amount", "-1", "--reason", "r"],
        &["grant", "ada", "--kind", "message", "--amount", "1", "--reason", " "],
        &["adjust", "ada", "--kind", "message", "--amount", "0", "--reason", "r"],
        &["adjust", "ada", "--kind", "message", "--amount", "-1", "--reason", "r", "--by", " "],
        &["explain", "ada", "--app", "shop"],
        &["explain", "ada", "--turns", "101"],
        &["backup"],
        &["completions", "dos"],
        &["rewards", "reject", "rw_1"],
        &["rewards", "list", "--status", "gone"],
        &["inbox", "replay"],
        &["inbox", "replay", "evt_1", "--parked"],
        &["inbox", "list", "--limit", "0"],
    ] {
        let (status, out, err) = creditd(args);
        assert_eq!((status, out.as_str()), (64, ""), "{args:?}: {err}");
        assert!(!err.is_empty(), "{args:?}");
    }
    for args in [&["--help"][..], &["--version"], &["keys", "create", "--help"]] {
        let (status, out, err) = creditd(args);
        assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
        assert!(!out.is_empty(), "{args:?}");
    }
}

#[test]
fn wrong_settings_are_78_and_all_are_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("c.toml");
    fs::write(&file, "[server]\nlisten = \"here\"\n[clock]\nmod = \"test\"\n").unwrap();
    let file = file.display().to_string();
    for command in [&["check-config"][..], &["serve"], &["keys", "list"], &["verify"], &["migrate"]]
    {
        let args = [command, &["--config", &file]].concat();
        let (status, out, err) = creditd(&args);
        assert_eq!((status, out.as_str()), (78, ""), "{args:?}: {err}");
        assert_eq!(err.lines().count(), 2, "{err}");
        assert!(err.contains(&format!("creditd: {file}: server.listen must be")), "{err}");
        assert!(err.contains(&format!("creditd: {file}: clock.mod is unknown")), "{err}");
    }
}

#[test]
fn every_command_takes_the_settings_file_also_after_its_arguments() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("none.toml").display().to_string();
    for command in [
        &["serve"][..],
        &["check-config"],
        &["config", "show", "--origin"],
        &["doctor"],
        &["migrate"],
        &["keys", "create", "--scope", "admin", "--scope", "read"],
        &["keys", "list"],
        &["keys", "revoke", "key_1"],
        &["account", "show", "ada"],
        &["seat", "assign", "s1", "--account", "ada"],
        &["seat", "transfer", "s1", "--to", "ada"],
        &["seat", "release", "s1"],
        &["grant", "ada", "--kind", "message", "--amount", "0.5", "--reason", "sorry"],
        &["revoke", "g1", "--reason", "sorry", "--dry-run"],
        &["adjust", "ada", "--kind", "message", "--amount", "-0.5", "--reason", "sorry"],
        &["explain", "ada", "--action", "chat", "--quantity", "3", "--json"],
        &["rewards", "list", "--status", "claimed"],
        &["rewards", "approve", "rw_1", "--dry-run"],
        &["rewards", "reject", "rw_1", "--reason", "a copy"],
        &["backup", "/backup/creditd.db", "--no-verify"],
        &["sync"],
        &["inbox", "list", "--state", "parked"],
        &["inbox", "show", "evt_1"],
        &["inbox", "replay", "--parked"],
        &["outbox", "list", "--json"],
        &["outbox", "retry", "m1", "m2"],
        &["verify"],
        &["move", "--to", "postgres://ada@host/credits", "--dry-run"],
    ] {
        for args in
            [[command, &["--config", &file]].concat(), [&["--config", &file], command].concat()]
        {
            let (status, _, err) = creditd(&args);
            assert_eq!(status, 78, "{args:?}: {err}");
            assert!(err.contains("none.toml: cannot be read"), "{args:?}: {err}");
        }
    }
}

#[test]
fn openapi_needs_no_settings() {
    let (status, out, err) = creditd(&["openapi"]);
    assert_eq!((status, err.as_str()), (0, ""));
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(document["paths"]["/v1/usage"]["post"].is_object(), "{out}");
}

#[test]
fn other_faults_are_1_and_told_from_the_outside_in() {
    let failure = Failure::Other(anyhow::anyhow!("disk full").context("cannot open creditd.db"));
    let mut err = Vec::new();
    explain(&failure, &mut err).unwrap();
    assert_eq!(failure.status(), 1);
    assert_eq!(String::from_utf8(err).unwrap(), "creditd: cannot open creditd.db: disk full\n");
}

/// An output that takes nothing, like a closed pipe.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_output_is_a_fault_and_no_panic() {
    let args = ["creditd", "--help"].map(OsString::from);
    assert_eq!(run(args, &mut Closed, &mut Vec::new()), 1);
}
