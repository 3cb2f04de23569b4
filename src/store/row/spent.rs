//! What debits change of rows that exist.

use super::people::{AllowanceRow, FreeRow};
use super::{Flag, Text, row};

row! {
    /// A workspace that exists, with the version that it was loaded with.
    pub(super) struct ChangedWorkspace<'a> {
        id: Text<'a>,
        owner: Option<Text<'a>>,
        decided_at_us: i64,
        version: i64,
        next_seq: i64,
        loaded_version: i64,
    }
}

row! {
    /// What of an account a debit of message credits changes.
    pub(super) struct FreeMessage<'a> { id: Text<'a>, workspace: Text<'a>, ; message: FreeRow<'a>, }
}

row! {
    /// What of an account a debit of integration credits changes.
    pub(super) struct FreeIntegration<'a> { id: Text<'a>, workspace: Text<'a>, ; integration: FreeRow<'a>, }
}

row! {
    /// What of a seat a debit of message credits changes.
    pub(super) struct SeatMessage<'a> { id: Text<'a>, workspace: Text<'a>, ; message: AllowanceRow, }
}

row! {
    /// What of a seat a debit of integration credits changes.
    pub(super) struct SeatIntegration<'a> { id: Text<'a>, workspace: Text<'a>, ; integration: AllowanceRow, }
}

row! {
    /// What of a grant a debit changes.
    pub(super) struct GrantRest<'a> {
        id: Text<'a>,
        workspace: Text<'a>,
        balance_uc: i64,
        ended: Flag,
    }
}
