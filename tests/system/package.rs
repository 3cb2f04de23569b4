//! The package: installed, upgraded, removed and purged in a booted system.

use crate::system::{API, Package, System, all, person, said, wait_until};
use crate::traffic::{Connections, Traffic, spent};
use creditd::client::Client;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Puts the package into the system, as if it were of this version.
pub(crate) fn bring(system: &System, version: &str) -> String {
    let work = tempfile::tempdir().unwrap();
    let tree = work.path().join("tree");
    let run = |command: &mut Command| said(&command.output().unwrap());
    run(Command::new("dpkg-deb").arg("-R").arg(&Package::made().file).arg(&tree));
    let control = fs::read_to_string(tree.join("DEBIAN/control")).unwrap();
    let lines = control.lines().map(|line| match line.strip_prefix("Version: ") {
        Some(_) => format!("Version: {version}\n"),
        None => format!("{line}\n"),
    });
    fs::write(tree.join("DEBIAN/control"), lines.collect::<String>()).unwrap();
    let file = format!("/root/creditd_{version}.deb");
    let made =
        Command::new("dpkg-deb").args(["-b", "-Znone"]).arg(&tree).arg(system.path(&file)).output();
    said(&made.unwrap());
    file
}

/// Runs dpkg, which must succeed; all that it says.
#[track_caller]
fn dpkg(system: &System, words: &str) -> String {
    let output = system.run(&format!("dpkg {words}"));
    assert!(output.status.success(), "{words}: {}", all(&output));
    all(&output)
}

#[test]
fn an_installation_starts_nothing_and_a_purge_leaves_the_books() {
    let system = System::bare();
    let file = bring(&system, "1.0-1");
    let told = dpkg(&system, &format!("-i {file}"));
    assert!(told.contains("creditd: installed, not started."), "{told}");
    for unit in ["creditd.service", "creditd.socket"] {
        assert!(system.fails(&format!("systemctl is-active {unit}")).contains("inactive"));
        assert!(system.fails(&format!("systemctl is-enabled {unit}")).contains("disabled"));
    }
    assert!(!Path::new(&system.path("/var/lib/creditd")).exists());
    assert!(system.done("creditd check-config").contains("the settings are right"));
    let documents = "/usr/share/doc/creditd";
    assert!(system.read(&format!("{documents}/default.toml")).contains("[server]"));
    for (file, part) in [
        ("examples/prometheus/creditd.rules.yml", "alert:"),
        ("examples/grafana/creditd.json", "creditd_reset_lateness_seconds"),
        ("RULES.md", "# The rules of credit"),
    ] {
        assert!(system.read(&format!("{documents}/{file}")).contains(part), "{file}");
    }
    for file in [
        "man/man1/creditd.1.gz",
        "man/man1/creditd-account-show.1.gz",
        "bash-completion/completions/creditd",
        "zsh/vendor-completions/_creditd",
        "fish/vendor_completions.d/creditd.fish",
    ] {
        let length = fs::metadata(system.path(&format!("/usr/share/{file}"))).unwrap().len();
        assert!(length > 100, "{file} has {length} bytes");
    }

    // What it says to do.
    system.done("systemctl enable --now creditd.socket creditd.service");
    let runtime = system.enter();
    let key = system.key();
    runtime.block_on(person(&Client::new(API.parse().unwrap(), &key), "ada"));

    dpkg(&system, "--remove creditd");
    assert!(system.fails("systemctl is-active creditd.service").contains("inactive"));
    assert!(system.path("/etc/creditd/creditd.toml").exists());
    assert!(
        system.path("/var/lib/creditd/creditd.db").exists()
            || system.path("/var/lib/private/creditd/creditd.db").exists()
    );
    dpkg(&system, &format!("-i {file}"));
    system.done("systemctl enable --now creditd.socket creditd.service");
    let client = Client::new(API.parse().unwrap(), &key);
    assert_eq!(runtime.block_on(client.get("/v1/accounts/ada")).unwrap().status, 200);

    system.write("/etc/creditd/stripe_api_key", "sk_test_of_a_person");
    let told = dpkg(&system, "--purge creditd");
    assert!(told.contains("the books stay in /var/lib/creditd"), "{told}");
    assert!(!system.path("/etc/creditd/creditd.toml").exists());
    assert_eq!(system.read("/etc/creditd/stripe_api_key"), "sk_test_of_a_person");
    assert!(system.path("/var/lib/private/creditd/creditd.db").exists());
    assert!(system.fails("systemctl is-enabled creditd.service").contains("No such file"));
}

#[test]
fn an_upgrade_under_load_refuses_nobody_and_keeps_books_and_settings() {
    let system = Arc::new(System::bare());
    dpkg(&system, &format!("-i {}", bring(&system, "1.0-1")));
    let mine = "[database]\nurl = \"sqlite:///var/lib/creditd/creditd.db\"\n\
                [actions.draw]\nkind = \"message\"\ncost = \"3\"\n";
    system.write("/etc/creditd/creditd.toml", mine);
    system.done("systemctl enable --now creditd.socket creditd.service");
    let runtime = system.enter();
    let key = system.key();
    let client = Client::new(API.parse().unwrap(), &key);
    let traffic = Traffic::begin(&system, "ada", Connections::Fresh);
    let before = system.property("MainPID");
    dpkg(&system, &format!("-i {}", bring(&system, "1.1-1")));
    assert_ne!(system.property("MainPID"), before);
    traffic.goes_on();
    assert_eq!(system.read("/etc/creditd/creditd.toml"), mine);
    assert_eq!(system.done("systemctl is-enabled creditd.service").trim(), "enabled");

    // A version that does not take the settings leaves the old daemon at work.
    system.write("/etc/creditd/creditd.toml", &format!("{mine}[server]\nport = 1\n"));
    let running = system.property("MainPID");
    let told = dpkg(&system, &format!("-i {}", bring(&system, "1.2-1")));
    assert!(
        told.contains("server.port: is unknown") || told.contains("server.port is unknown"),
        "{told}"
    );
    assert!(told.contains("The old one still runs."), "{told}");
    assert_eq!(system.property("MainPID"), running);
    system.write("/etc/creditd/creditd.toml", mine);
    system.done("systemctl restart creditd.service");
    traffic.goes_on();
    traffic.end_without_loss(&client, &runtime);
}

#[test]
fn an_older_package_over_a_newer_database_says_so_and_changes_nothing() {
    let system = System::bare();
    dpkg(&system, &format!("-i {}", bring(&system, "2.0-1")));
    system.done("systemctl enable --now creditd.service");
    let runtime = system.enter();
    let key = system.key();
    let client = Client::new(API.parse().unwrap(), &key);
    runtime.block_on(person(&client, "ada"));
    // What version 2 would have made of the file.
    system.write(
        "/root/schema.py",
        "import sqlite3, sys\n\
         db = sqlite3.connect('/var/lib/creditd/creditd.db')\n\
         before = db.execute('PRAGMA user_version').fetchone()[0]\n\
         db.execute('PRAGMA user_version = ' + sys.argv[1])\nprint(before)\n",
    );
    let ours = system.done("python3 /root/schema.py 99");
    let told = dpkg(&system, &format!("-i {}", bring(&system, "1.0-1")));
    assert!(
        told.contains("creditd: it did not start again; see: journalctl --unit creditd"),
        "{told}"
    );
    wait_until("it says why", || {
        system.journal().contains("has schema 99, and this creditd knows")
    });
    assert_eq!(
        system.done(&format!("python3 /root/schema.py {ours}").replace('\n', "")).trim(),
        "99"
    );
    system.wait_for("ActiveState", "active");
    let client = Client::new(API.parse().unwrap(), &key);
    assert_eq!(runtime.block_on(spent(&client, "ada")), 0);
    system.done("creditd verify");
}

#[test]
fn the_package_is_as_debian_wants_it() {
    let mut lintian = Command::new("lintian");
    lintian.args(["--fail-on", "error,warning", "--allow-root"]).arg(&Package::made().file);
    let output = lintian.output().expect("scripts/package-tools was run");
    assert!(output.status.success(), "{}", all(&output));
}

#[test]
fn the_list_of_what_it_is_made_of_names_every_crate_of_the_program() {
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("sbom.json");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    said(&Command::new(root.join("scripts/sbom")).arg(&file).output().unwrap());
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains(env!("CARGO_MANIFEST_DIR")), "it says where it was made");
    let list: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&list["bomFormat"], &list["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    let components = list["components"].as_array().unwrap();
    let listed = |name: &str| components.iter().find(|component| component["name"] == name);
    let mut tree = Command::new(env!("CARGO"));
    tree.args([
        "tree",
        "--locked",
        "--edges=normal",
        "--prefix=none",
        "--format={p}",
        "--package=creditd",
    ]);
    let tree = said(&tree.current_dir(root).output().unwrap());
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.len() > 100);
    for name in names.into_iter().filter(|name| !name.is_empty() && *name != "creditd") {
        let component = listed(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert!(
            component["version"].is_string() && component["licenses"].is_array(),
            "{component}"
        );
    }
    assert!(listed("proptest").is_none(), "tests are no part of the program");
}
