//! `creditd verify`: proves that the books of the whole database add up (R18).

use crate::store::{Fault, Store};
use anyhow::bail;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) async fn run(store: &dyn Store, out: &mut dyn Write) -> anyhow::Result<()> {
    let done = AtomicU64::new(0);
    let progress = |so_far: u64, _of: u64| {
        done.fetch_max(so_far, Ordering::Relaxed);
    };
    let faults = store.verify(&progress).await?;
    report(done.into_inner(), &faults, out)
}

/// Prints what is wrong; that anything is makes the command fail.
fn report(workspaces: u64, faults: &[Fault], out: &mut dyn Write) -> anyhow::Result<()> {
    for Fault { subject, detail } in faults {
        writeln!(out, "{subject}: {detail}")?;
    }
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    if !faults.is_empty() {
        let count = u64::try_from(faults.len()).unwrap_or(u64::MAX);
        bail!("{count} fault{} in {workspaces} workspace{}", plural(count), plural(workspaces));
    }
    writeln!(out, "{workspaces} workspace{} verified", plural(workspaces))?;
    Ok(())
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
