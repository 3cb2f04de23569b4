//! What one look found, and how a list of them is printed.

use crate::cli::table;
use serde::Serialize;
use serde_json::json;
use std::io::{self, IsTerminal as _, Write};

/// How well it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// It works, and will not do for production or not for long.
    Warn,
    /// It does not work.
    Fail,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    /// What a terminal is told to paint it in.
    const fn colour(self) -> &'static str {
        match self {
            Self::Ok => "32",
            Self::Warn => "33",
            Self::Fail => "31",
        }
    }
}

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at, in a word or two.
    pub(super) check: &'static str,
    /// How well it is.
    pub(super) state: State,
    /// What was found.
    pub(super) found: String,
    /// How to mend it; none where it is well.
    pub(super) mend: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Ok, found: found.into(), mend: None }
    }

    pub(super) fn warn(
        check: &'static str, found: impl Into<String>, mend: impl Into<String>,
    ) -> Self {
        Self { check, state: State::Warn, found: found.into(), mend: Some(mend.into()) }
    }

    pub(super) fn fail(
        check: &'static str, found: impl Into<String>, mend: impl Into<String>,
    ) -> Self {
        Self { check, state: State::Fail, found: found.into(), mend: Some(mend.into()) }
    }
}

/// Whether colours may be used: on a terminal, unless `$NO_COLOR` says otherwise.
pub(super) fn colours() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !plain
}

/// Prints a line for each finding, and below it how to mend what is not well.
pub(super) fn print(findings: &[Finding], colours: bool, out: &mut dyn Write) -> io::Result<()> {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    for Finding { check, state, found, mend } in findings {
        let word = format!("{:4}", state.word());
        let word = match colours {
            true => format!("\x1b[{}m{word}\x1b[0m", state.colour()),
            false => word,
        };
        writeln!(out, "{word}  {check:width$}  {found}")?;
        if let Some(mend) = mend {
            writeln!(out, "      {:width$}  -> {mend}", "")?;
        }
    }
    let [ok, warn, fail] = counts(findings);
    writeln!(out, "\n{ok} well, {warn} to look at, {fail} to mend")
}

/// The same as JSON.
pub(super) fn print_json(findings: &[Finding], out: &mut dyn Write) -> anyhow::Result<()> {
    let [ok, warn, fail] = counts(findings);
    table::json(out, &json!({ "ok": ok, "warn": warn, "fail": fail, "checks": findings }))
}

/// How many are ok, to look at, to mend.
pub(super) fn counts(findings: &[Finding]) -> [usize; 3] {
    let of = |state| findings.iter().filter(|finding| finding.state == state).count();
    [State::Ok, State::Warn, State::Fail].map(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> [Finding; 3] {
        [
            Finding::ok("settings", "read"),
            Finding::warn("mail", "goes to files", "set mail.smtp_url"),
            Finding::fail("stripe", "no answer", "look at the network"),
        ]
    }

    #[test]
    fn each_finding_is_a_line_with_its_cure_below() {
        let mut out = Vec::new();
        print(&findings(), false, &mut out).unwrap();
        let expected = "ok    settings  read\n\
                        warn  mail      goes to files\n                -> set mail.smtp_url\n\
                        fail  stripe    no answer\n                -> look at the network\n\n\
                        1 well, 1 to look at, 1 to mend\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn colours_paint_the_word_alone() {
        let mut out = Vec::new();
        print(&findings()[2..], true, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.starts_with("\x1b[31mfail\x1b[0m  stripe  no answer\n"), "{out:?}");
    }
}
