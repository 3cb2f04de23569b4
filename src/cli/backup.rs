//! `creditd backup`: a proven copy of a SQLite database beside a running daemon. PostgreSQL has tools
//! of its own, which it names.

use super::args::Backup;
use super::progress::style;
use super::table;
use super::verify::verified;
use crate::settings::{Engine, Settings};
use crate::store::{BackupStep, back_up, backup_size};
use crate::supervisor::open_options;
use anyhow::bail;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::json;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) async fn run(
    settings: &Settings, what: Backup, out: &mut dyn Write,
) -> anyhow::Result<()> {
    let Backup { to, no_verify, rehearsal, form } = what;
    let url = &settings.database.url;
    if url.engine() == Engine::Postgres {
        bail!(
            "PostgreSQL makes its own backups, and nothing was done: run\n  \
             pg_dump -Fc -d {url} -f {}\n\
             or archive its log for any point in time; see Backup in OPERATING.md",
            to.display()
        );
    }
    let shown = to.display();
    if rehearsal.dry_run {
        let bytes = backup_size(url.expose()).await?;
        if to.exists() {
            bail!("{shown} is there already, and no backup is overwritten: name another file");
        }
        writeln!(out, "dry run: about {} of {url} would be copied to {shown}", mebibytes(bytes))?;
        return Ok(());
    }
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let proven = AtomicU64::new(0);
    let progress = |step| match step {
        BackupStep::Copied(bytes, of) => {
            bar.set_style(style("copied {wide_bar} {bytes}/{total_bytes}"));
            bar.set_length(of);
            bar.set_position(bytes);
        }
        BackupStep::Proven(done, of) => {
            proven.fetch_max(done, Ordering::Relaxed);
            bar.set_style(style("verified {wide_bar} {human_pos}/{human_len} workspaces"));
            bar.set_length(of);
            bar.set_position(done);
        }
    };
    let made = back_up(url.expose(), &to, !no_verify, &open_options(settings), &progress).await;
    bar.finish_and_clear();
    let bytes = made?;
    let proven = (!no_verify).then(|| proven.into_inner());
    if form.json {
        return table::json(out, &json!({ "to": to, "bytes": bytes, "workspaces": proven }));
    }
    let proof = match proven {
        None => "not verified".to_owned(),
        Some(count) => verified(count),
    };
    writeln!(out, "{shown}: {}, {proof}", mebibytes(bytes))?;
    Ok(())
}

fn mebibytes(bytes: u64) -> String {
    const TENTH: u64 = 1024 * 1024 / 10;
    let tenths = bytes.div_ceil(TENTH);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up() {
        for (bytes, shown) in [(0, "0.0 MiB"), (1, "0.1 MiB"), (10 * 1024 * 1024, "10.1 MiB")] {
            assert_eq!(mebibytes(bytes), shown);
        }
    }
}
