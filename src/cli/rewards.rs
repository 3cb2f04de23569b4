//! `creditd rewards …`: claims of the share reward, shown and decided.

use super::args::Rewards;
use super::change::Asked;
use super::{ground, table};
use crate::settings::Settings;
use crate::store::PageQuery;
use creditd_rules::view::RewardView;
use std::io::Write;

pub(super) async fn run(
    settings: &Settings, what: Rewards, out: &mut dyn Write,
) -> anyhow::Result<()> {
    let asked = match what {
        Rewards::List { status, limit, form } => {
            let store = ground::open(settings).await?;
            let query = PageQuery { limit, cursor: None };
            let claims = store.rewards(status.map(Into::into), &query).await?.rows;
            if form.json {
                return table::json(out, &claims);
            }
            let rows: Vec<_> = claims.iter().map(row).collect();
            let headings = ["ID", "STATUS", "ACCOUNT", "CLAIMED", "NETWORK", "FOLLOWERS", "POST"];
            table::write(out, headings, &rows)?;
            return Ok(());
        }
        Rewards::Approve { claim, reason, once } => Asked::reward(claim, true, reason, once),
        Rewards::Reject { claim, reason, once } => Asked::reward(claim, false, Some(reason), once),
    };
    ground::change(settings, asked, out).await
}

fn row(claim: &RewardView) -> [String; 7] {
    [
        claim.id.to_string(),
        claim.status.as_str().to_owned(),
        claim.account.to_string(),
        table::instant(Some(claim.claimed_at)),
        claim.network.clone(),
        claim.followers.to_string(),
        claim.post_url.clone(),
    ]
}
