//! `creditd verify`: proves that the books of the whole database add up (R18).

use super::args::Form;
use super::progress::style;
use super::table;
use crate::store::{Fault, Store};
use anyhow::bail;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) async fn run(store: &dyn Store, form: Form, out: &mut dyn Write) -> anyhow::Result<()> {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr())
        .with_style(style("{wide_bar} {human_pos}/{human_len} workspaces, {eta} left"));
    let done = AtomicU64::new(0);
    let progress = |so_far: u64, of: u64| {
        let before = done.fetch_max(so_far, Ordering::Relaxed);
        bar.set_length(of);
        bar.set_position(so_far.max(before));
    };
    let faults = store.verify(&progress).await;
    bar.finish_and_clear();
    let (workspaces, faults) = (done.into_inner(), faults?);
    if form.json {
        let all: Vec<Value> = faults.iter().map(fault_json).collect();
        table::json(out, &json!({ "workspaces": workspaces, "faults": all }))?;
        return judge(workspaces, &faults);
    }
    report(workspaces, &faults, out)
}

fn fault_json(Fault { subject, detail }: &Fault) -> Value {
    json!({ "subject": subject, "detail": detail })
}

/// Prints what is wrong.
fn report(workspaces: u64, faults: &[Fault], out: &mut dyn Write) -> anyhow::Result<()> {
    for Fault { subject, detail } in faults {
        writeln!(out, "{subject}: {detail}")?;
    }
    judge(workspaces, faults)?;
    writeln!(out, "{}", verified(workspaces))?;
    Ok(())
}

/// That the books of so many workspaces add up.
pub(super) fn verified(workspaces: u64) -> String {
    format!("{workspaces} workspace{} verified", plural(workspaces))
}

/// That anything is wrong makes the command fail.
fn judge(workspaces: u64, faults: &[Fault]) -> anyhow::Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    let count = u64::try_from(faults.len()).unwrap_or(u64::MAX);
    bail!("{count} fault{} in {workspaces} workspace{}", plural(count), plural(workspaces));
}

const fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(workspaces: u64, faults: &[Fault]) -> (String, Option<String>) {
        let mut out = Vec::new();
        let failed = report(workspaces, faults, &mut out).err().map(|error| error.to_string());
        (String::from_utf8(out).unwrap(), failed)
    }

    #[test]
    fn r18_faults_are_listed_and_fail_the_command() {
        assert_eq!(check(3, &[]), ("3 workspaces verified\n".into(), None));
        assert_eq!(check(1, &[]).0, "1 workspace verified\n");
        let fault =
            Fault { subject: "seat/s1 message".into(), detail: "holds 3, entries say 4".into() };
        let (out, failed) = check(2, &[fault]);
        assert_eq!(out, "seat/s1 message: holds 3, entries say 4\n");
        assert_eq!(failed.unwrap(), "1 fault in 2 workspaces");
    }
}
