//! The JSON body of an accepted command's answer: what is kept under its key (R17).

use creditd_rules::Workspace;
use creditd_rules::command::Answer;
use serde::Serialize;

/// A JSON object, written straight to bytes. `workspace` is as it is after the command.
pub(crate) fn body(answer: &Answer, workspace: &Workspace) -> serde_json::Result<Vec<u8>> {
    match answer {
        Answer::Used(view) => serde_json::to_vec(view),
        Answer::Account(view) => serde_json::to_vec(view),
        Answer::Workspace(view) => serde_json::to_vec(view),
        Answer::App(view) => serde_json::to_vec(view),
        Answer::Seat(view) => serde_json::to_vec(view),
        Answer::Grant(view) => serde_json::to_vec(view),
        Answer::Reward(view) => serde_json::to_vec(view),
        Answer::Adjusted { taken, spendable } => {
            serde_json::to_vec(&Adjusted { taken: *taken, spendable: *spendable })
        }
        Answer::Observed { applied } => serde_json::to_vec(&Observed { applied: *applied }),
        Answer::Settled => serde_json::to_vec(&Settled { workspace: workspace.id.as_str() }),
    }
}

#[derive(Serialize)]
struct Adjusted {
    taken: creditd_rules::Amount,
    spendable: creditd_rules::Amount,
}

#[derive(Serialize)]
struct Observed {
    applied: bool,
}

#[derive(Serialize)]
struct Settled<'a> {
    workspace: &'a str,
}
