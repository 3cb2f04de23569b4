//! `creditd reload`: the running daemon reads its settings again.

use crate::settings::runtime_dir_here;
use crate::supervisor::{ask_to_reload, socket};
use anyhow::{Context, bail};
use std::io::Write;

pub(super) fn run(out: &mut dyn Write) -> anyhow::Result<()> {
    let socket = socket(&runtime_dir_here());
    let answer = ask_to_reload(&socket).with_context(|| {
        format!("no daemon of this machine can be asked at {}", socket.display())
    })?;
    match answer {
        Ok(lines) => {
            for line in lines {
                writeln!(out, "{line}")?;
            }
            Ok(())
        }
        Err(problems) => {
            bail!("refused, and everything stays as it was:\n{}", problems.join("\n"))
        }
    }
}
