//! What the documents say of the command line, held against it.

use crate::daemon::program;
use std::collections::BTreeSet;

const DOCUMENTS: [(&str, &str); 7] = [
    ("README.md", include_str!("../../README.md")),
    ("OPERATING.md", include_str!("../../docs/OPERATING.md")),
    ("RUNBOOKS.md", include_str!("../../docs/RUNBOOKS.md")),
    ("STRIPE.md", include_str!("../../docs/STRIPE.md")),
    ("RULES.md", include_str!("../../docs/RULES.md")),
    ("SECURITY.md", include_str!("../../SECURITY.md")),
    ("CHANGELOG.md", include_str!("../../CHANGELOG.md")),
];

/// Every invocation of ours in a document: in a block of commands, or between backticks.
fn invocations(document: &str) -> BTreeSet<String> {
    let mut block = false;
    let mut found = BTreeSet::new();
    for line in document.lines() {
        if line.starts_with("```") {
            block = line == "```sh";
        } else if block {
            let commands = line.split('#').next().unwrap().split("&&");
            found.extend(commands.filter_map(ours).map(str::to_owned));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).filter_map(ours).map(str::to_owned));
        }
    }
    found
}

/// What stands behind the program's name, and behind variables that are set for it.
fn ours(command: &str) -> Option<&str> {
    let mut rest = command.trim();
    while let Some((word, more)) = rest.split_once(' ')
        && word.contains('=')
        && !word.starts_with('-')
    {
        rest = more;
    }
    rest.strip_prefix("creditd ")
}

#[test]
fn every_command_of_the_documents_is_one_that_the_program_knows() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for (name, document) in DOCUMENTS {
        for line in invocations(document) {
            let words: Vec<&str> = line.split_whitespace().collect();
            // Its own words come first; then what stands for something, and options.
            let own = |word: &&&str| {
                word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
                    && !word.starts_with('-')
            };
            let commands: Vec<&str> = words.iter().take_while(own).copied().collect();
            if commands.is_empty() {
                continue;
            }
            seen += 1;
            let help = program(dir.path()).args(&commands).arg("--help").output().unwrap();
            assert!(help.status.success(), "{name}: creditd {line}");
            let help = String::from_utf8(help.stdout).unwrap();
            for option in words.iter().filter(|word| word.starts_with("--")) {
                assert!(help.contains(option), "{name}: creditd {line}: {option} is not in {help}");
            }
        }
    }
    assert!(seen > 40, "the documents speak of commands: {seen}");
}
