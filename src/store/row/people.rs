//! Rows of workspaces, accounts, apps, grants and claims.

use super::{
    Corrupt, Flag, Json, Text, amount, count, instant, maybe_instant, row, stored_count, uc, us,
};
use creditd_rules::calendar::Cycle;
use creditd_rules::plan::{Limits, PerKind};
use creditd_rules::state::{
    Account, Allowance, App, Free, Grant, Refusal, Reward, RewardStatus, RunOut, Workspace,
};
use creditd_rules::{Amount, Kind};

row! {
    /// A workspace.
    pub(super) struct WorkspaceRow<'a> {
        id: Text<'a>,
        owner: Option<Text<'a>>,
        decided_at_us: i64,
        version: i64,
        next_seq: i64,
    }
}

impl<'a> WorkspaceRow<'a> {
    pub(in crate::store) fn of(workspace: &'a Workspace) -> Self {
        Self {
            id: workspace.id.as_str().into(),
            owner: workspace.owner.as_ref().map(|owner| owner.as_str().into()),
            decided_at_us: us(workspace.decided_at),
            version: stored_count(workspace.version),
            next_seq: stored_count(workspace.next_seq),
        }
    }

    /// Puts what is stored of the workspace itself into one that was loaded.
    pub(in crate::store) fn fill(self, workspace: &mut Workspace) -> Result<(), Corrupt> {
        let Self { id: _, owner, decided_at_us, version, next_seq } = self;
        workspace.owner = owner.map(|owner| owner.as_str().into());
        workspace.decided_at = instant(decided_at_us)?;
        workspace.version = count("a version", version)?;
        workspace.next_seq = count("the next seq", next_seq)?;
        Ok(())
    }
}

row! {
    /// An allowance of one kind.
    pub(super) struct AllowanceRow {
        day_limit_uc: Option<i64>,
        month_limit_uc: Option<i64>,
        balance_uc: i64,
        used_uc: i64,
        day_started_at_us: Option<i64>,
        day_used_uc: i64,
    }
}

impl AllowanceRow {
    pub(in crate::store) fn of(allowance: &Allowance) -> Self {
        let Allowance { limits: Limits { day, month }, balance, used, day_started_at, day_used } =
            *allowance;
        Self {
            day_limit_uc: uc(day),
            month_limit_uc: uc(month),
            balance_uc: balance.micros(),
            used_uc: used.micros(),
            day_started_at_us: day_started_at.map(us),
            day_used_uc: day_used.micros(),
        }
    }

    pub(in crate::store) fn read(self) -> Result<Allowance, Corrupt> {
        let Self {
            day_limit_uc,
            month_limit_uc,
            balance_uc,
            used_uc,
            day_started_at_us,
            day_used_uc,
        } = self;
        Ok(Allowance {
            limits: Limits { day: amount(day_limit_uc), month: amount(month_limit_uc) },
            balance: Amount::from_micros(balance_uc),
            used: Amount::from_micros(used_uc),
            day_started_at: maybe_instant(day_started_at_us)?,
            day_used: Amount::from_micros(day_used_uc),
        })
    }
}

row! {
    /// What an account has of one kind: its free allowance, and whether running out is told.
    pub(super) struct FreeRow<'a> {
        window_start_us: Option<i64>,
        window_end_us: Option<i64>,
        day_limit_uc: Option<i64>,
        month_limit_uc: Option<i64>,
        balance_uc: i64,
        used_uc: i64,
        day_started_at_us: Option<i64>,
        day_used_uc: i64,
        armed: Flag,
        warned: Flag,
        refusal: Option<Json<'a>>,
    }
}

impl FreeRow<'_> {
    pub(in crate::store) fn of(account: &Account, kind: Kind) -> Self {
        let Free { window, allowance } = &account.free[kind];
        let RunOut { armed, warned, first_refusal } = &account.run_out[kind];
        let AllowanceRow {
            day_limit_uc,
            month_limit_uc,
            balance_uc,
            used_uc,
            day_started_at_us,
            day_used_uc,
        } = AllowanceRow::of(allowance);
        Self {
            window_start_us: window.map(|window| us(window.start)),
            window_end_us: window.map(|window| us(window.end)),
            day_limit_uc,
            month_limit_uc,
            balance_uc,
            used_uc,
            day_started_at_us,
            day_used_uc,
            armed: Flag(*armed),
            warned: Flag(*warned),
            refusal: json(first_refusal.as_ref()),
        }
    }

    fn read(self) -> Result<(Free, RunOut), Corrupt> {
        let allowance = AllowanceRow {
            day_limit_uc: self.day_limit_uc,
            month_limit_uc: self.month_limit_uc,
            balance_uc: self.balance_uc,
            used_uc: self.used_uc,
            day_started_at_us: self.day_started_at_us,
            day_used_uc: self.day_used_uc,
        };
        let window = cycle(self.window_start_us, self.window_end_us)?;
        let run_out = RunOut {
            armed: self.armed.0,
            warned: self.warned.0,
            first_refusal: from_json::<Refusal>("a refusal", self.refusal.as_ref())?,
        };
        Ok((Free { window, allowance: allowance.read()? }, run_out))
    }
}

row! {
    /// An account; one that was only claimed has no `created_at_us`.
    pub(super) struct AccountRow<'a> {
        id: Text<'a>,
        workspace: Text<'a>,
        email: Option<Text<'a>>,
        name: Option<Text<'a>>,
        locale: Option<Text<'a>>,
        created_at_us: Option<i64>,
        closed_at_us: Option<i64>,
        ;
        message: FreeRow<'a>,
        integration: FreeRow<'a>,
    }
}

impl<'a> AccountRow<'a> {
    pub(in crate::store) fn of(workspace: &'a Workspace, account: &'a Account) -> Self {
        let Account { id, email, name, locale, created_at, closed_at, free: _, run_out: _ } =
            account;
        Self {
            id: id.as_str().into(),
            workspace: workspace.id.as_str().into(),
            email: email.as_deref().map(Text::from),
            name: name.as_deref().map(Text::from),
            locale: locale.as_deref().map(Text::from),
            created_at_us: Some(us(*created_at)),
            closed_at_us: closed_at.map(us),
            message: FreeRow::of(account, Kind::Message),
            integration: FreeRow::of(account, Kind::Integration),
        }
    }

    /// The account; none where it was only claimed.
    pub(in crate::store) fn read(self) -> Result<Option<Account>, Corrupt> {
        let Self {
            id,
            workspace: _,
            email,
            name,
            locale,
            created_at_us,
            closed_at_us,
            message,
            integration,
        } = self;
        let Some(created_at_us) = created_at_us else { return Ok(None) };
        let (message_free, message_run_out) = message.read()?;
        let (integration_free, integration_run_out) = integration.read()?;
        Ok(Some(Account {
            id: id.as_str().into(),
            email: email.map(Text::into_string),
            name: name.map(Text::into_string),
            locale: locale.map(Text::into_string),
            created_at: instant(created_at_us)?,
            closed_at: maybe_instant(closed_at_us)?,
            free: PerKind { message: message_free, integration: integration_free },
            run_out: PerKind { message: message_run_out, integration: integration_run_out },
        }))
    }
}

row! {
    /// An app; one that was only claimed has no owner.
    pub(super) struct AppRow<'a> {
        id: Text<'a>,
        workspace: Text<'a>,
        owner: Option<Text<'a>>,
    }
}

impl<'a> AppRow<'a> {
    pub(in crate::store) fn of(workspace: &'a Workspace, app: &'a App) -> Self {
        let App { id, owner } = app;
        Self {
            id: id.as_str().into(),
            workspace: workspace.id.as_str().into(),
            owner: Some(owner.as_str().into()),
        }
    }

    /// The app; none where it was only claimed.
    pub(in crate::store) fn read(self) -> Option<App> {
        let owner = self.owner?;
        Some(App { id: self.id.as_str().into(), owner: owner.as_str().into() })
    }
}

row! {
    /// A grant.
    pub(super) struct GrantRow<'a> {
        id: Text<'a>,
        workspace: Text<'a>,
        account: Text<'a>,
        kind: Text<'a>,
        amount_uc: i64,
        balance_uc: i64,
        source: Text<'a>,
        reason: Text<'a>,
        created_at_us: i64,
        expires_at_us: Option<i64>,
        ended: Flag,
    }
}

impl<'a> GrantRow<'a> {
    pub(in crate::store) fn of(workspace: &'a Workspace, grant: &'a Grant) -> Self {
        let Grant {
            id,
            account,
            kind,
            amount,
            balance,
            source,
            reason,
            created_at,
            expires_at,
            ended,
        } = grant;
        Self {
            id: id.as_str().into(),
            workspace: workspace.id.as_str().into(),
            account: account.as_str().into(),
            kind: kind.as_str().into(),
            amount_uc: amount.micros(),
            balance_uc: balance.micros(),
            source: source.as_str().into(),
            reason: reason.as_str().into(),
            created_at_us: us(*created_at),
            expires_at_us: expires_at.map(us),
            ended: Flag(*ended),
        }
    }

    pub(in crate::store) fn read(self) -> Result<Grant, Corrupt> {
        Ok(Grant {
            id: self.id.as_str().into(),
            account: self.account.as_str().into(),
            kind: kind(self.kind.as_str())?,
            amount: Amount::from_micros(self.amount_uc),
            balance: Amount::from_micros(self.balance_uc),
            source: self.source.into_string(),
            reason: self.reason.into_string(),
            created_at: instant(self.created_at_us)?,
            expires_at: maybe_instant(self.expires_at_us)?,
            ended: self.ended.0,
        })
    }
}

row! {
    /// A claim of a share reward.
    pub(super) struct RewardRow<'a> {
        id: Text<'a>,
        workspace: Text<'a>,
        account: Text<'a>,
        network: Text<'a>,
        post_url: Text<'a>,
        followers: i64,
        app: Option<Text<'a>>,
        status: Text<'a>,
        claimed_at_us: i64,
        decided_at_us: Option<i64>,
        reason: Option<Text<'a>>,
        grant_id: Option<Text<'a>>,
    }
}

impl<'a> RewardRow<'a> {
    pub(in crate::store) fn of(workspace: &'a Workspace, reward: &'a Reward) -> Self {
        let Reward {
            id,
            account,
            network,
            post_url,
            followers,
            app,
            status,
            claimed_at,
            decided_at,
            reason,
            grant,
        } = reward;
        Self {
            id: id.as_str().into(),
            workspace: workspace.id.as_str().into(),
            account: account.as_str().into(),
            network: network.as_str().into(),
            post_url: post_url.as_str().into(),
            followers: stored_count(*followers),
            app: app.as_ref().map(|app| app.as_str().into()),
            status: status.as_str().into(),
            claimed_at_us: us(*claimed_at),
            decided_at_us: decided_at.map(us),
            reason: reason.as_deref().map(Text::from),
            grant_id: grant.as_ref().map(|grant| grant.as_str().into()),
        }
    }

    pub(in crate::store) fn read(self) -> Result<Reward, Corrupt> {
        Ok(Reward {
            id: self.id.as_str().into(),
            account: self.account.as_str().into(),
            network: self.network.into_string(),
            post_url: self.post_url.into_string(),
            followers: count("a number of followers", self.followers)?,
            app: self.app.map(|app| app.as_str().into()),
            status: reward_status(self.status.as_str())?,
            claimed_at: instant(self.claimed_at_us)?,
            decided_at: maybe_instant(self.decided_at_us)?,
            reason: self.reason.map(Text::into_string),
            grant: self.grant_id.map(|grant| grant.as_str().into()),
        })
    }
}

fn reward_status(text: &str) -> Result<RewardStatus, Corrupt> {
    [RewardStatus::Claimed, RewardStatus::Approved, RewardStatus::Rejected]
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or_else(|| Corrupt::new("a claim's status", text))
}

/// A kind of credit, read.
pub(in crate::store) fn kind(text: &str) -> Result<Kind, Corrupt> {
    text.parse().map_err(|_| Corrupt::new("a kind of credit", text))
}

/// A cycle or window of which both ends are stored, or neither.
pub(in crate::store) fn cycle(
    start_us: Option<i64>, end_us: Option<i64>,
) -> Result<Option<Cycle>, Corrupt> {
    match (start_us, end_us) {
        (Some(start), Some(end)) => Ok(Some(Cycle { start: instant(start)?, end: instant(end)? })),
        (None, None) => Ok(None),
        (Some(half), None) | (None, Some(half)) => Err(Corrupt::new("half a cycle", half)),
    }
}

/// A value kept as JSON inside a column.
pub(in crate::store) fn json<T: serde::Serialize>(value: Option<&T>) -> Option<Json<'static>> {
    let text = value.and_then(|value| serde_json::to_string(value).ok());
    text.map(|text| Json(text.into()))
}

/// A value kept as JSON inside a column, read.
pub(in crate::store) fn from_json<T: serde::de::DeserializeOwned>(
    what: &'static str, text: Option<&Json<'_>>,
) -> Result<Option<T>, Corrupt> {
    text.map(|Json(text)| {
        serde_json::from_str(text.as_str()).map_err(|_| Corrupt::new(what, text.as_str()))
    })
    .transpose()
}
