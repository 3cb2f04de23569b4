//! Accounts, apps and the workspace's owner (R2, R15, R19).

use super::Desk;
use super::book::By;
use super::grants::Gift;
use super::settle::close_window;
use crate::amount::Amount;
use crate::command::{Answer, Change, Effect, Rejection};
use crate::entry::Reason;
use crate::id::{AccountId, AppId, GrantId};
use crate::plan::Kind;
use crate::state::{Account, Allowance, App, Free};
use crate::view::{AccountView, AppView, WorkspaceView};
use alloc::format;
use alloc::string::String;

impl Desk<'_> {
    /// The account, which must be here and not closed.
    pub(super) fn open_account(&self, id: &AccountId) -> Result<&Account, Rejection> {
        let missing = || Rejection::AccountNotFound(String::from(id.as_str()));
        let account = self.ws.accounts.get(id).ok_or_else(missing)?;
        match account.closed_at {
            None => Ok(account),
            Some(_) => Err(Rejection::AccountClosed(id.clone())),
        }
    }

    /// The account, which must be an open one of this workspace.
    pub(super) fn member(&self, id: &AccountId) -> Result<&Account, Rejection> {
        if self.ws.accounts.contains_key(id) {
            return self.open_account(id);
        }
        Err(Rejection::OtherWorkspace(id.clone()))
    }

    /// Creates an account, with its sign-up grants, or changes it.
    pub(super) fn put_account(
        &mut self, id: &AccountId, [email, name, locale]: [&Change; 3], grant: &GrantId,
    ) -> Result<Answer, Rejection> {
        let is_new = !self.ws.accounts.contains_key(id);
        if is_new {
            self.ws.accounts.insert(id.clone(), Account::new(id.clone(), self.now));
            self.ws.owner.get_or_insert_with(|| id.clone());
        }
        self.open_account(id)?;
        if let Some(account) = self.ws.accounts.get_mut(id) {
            let set = |field: &mut Option<String>, change: &Change| {
                if let Some(value) = change {
                    field.clone_from(value);
                }
            };
            set(&mut account.email, email);
            set(&mut account.name, name);
            set(&mut account.locale, locale);
        }
        if is_new {
            self.sign_up_grants(id, grant)?;
        }
        let account = self.open_account(id)?;
        Ok(Answer::Account(AccountView::of(self.ws, account)))
    }

    fn sign_up_grants(&mut self, id: &AccountId, grant: &GrantId) -> Result<(), Rejection> {
        for kind in Kind::ALL {
            let amount = self.catalogue.policy.signup_grant[kind];
            if amount > Amount::ZERO {
                self.give(Gift {
                    id: &GrantId::from(format!("{grant}-{kind}")),
                    account: id,
                    kind,
                    amount,
                    source: String::from("signup"),
                    why: String::from("sign-up grant"),
                    expires_at: None,
                    reason: Reason::Grant,
                })?;
            }
        }
        Ok(())
    }

    /// Closes an account: its seat becomes vacant, its grants end, what names the person goes.
    pub(super) fn close_account(&mut self, id: &AccountId) -> Result<Answer, Rejection> {
        self.open_account(id)?;
        if let Some(seat) = self.ws.seat_of(id).map(|seat| seat.id.clone()) {
            self.hand_over(&seat, None, self.now, By::Command);
        }
        self.end_grants_of(id);
        let now = self.now;
        if let Some(account) = self.ws.accounts.get_mut(id) {
            for kind in Kind::ALL {
                let free = &mut account.free[kind];
                if let Some(window) = free.window.take() {
                    let Free { allowance, .. } = free;
                    close_window(&mut self.book, id, kind, allowance, window, now, By::Command);
                }
                free.allowance = Allowance::default();
            }
            account.email = None;
            account.name = None;
            account.locale = None;
            account.closed_at = Some(now);
        }
        if self.ws.owner.as_ref() == Some(id) {
            self.ws.owner = None;
        }
        self.book.effect(Effect::EraseMail { account: id.clone() });
        let missing = || Rejection::AccountNotFound(String::from(id.as_str()));
        let account = self.ws.accounts.get(id).ok_or_else(missing)?;
        Ok(Answer::Account(AccountView::of(self.ws, account)))
    }

    /// Names the workspace's owner; moves no seat (R12).
    pub(super) fn set_owner(&mut self, owner: &AccountId) -> Result<Answer, Rejection> {
        self.member(owner)?;
        self.ws.owner = Some(owner.clone());
        Ok(Answer::Workspace(WorkspaceView {
            id: self.ws.id.clone(),
            owner: self.ws.owner.clone(),
        }))
    }

    /// Creates an app or gives it another owner.
    pub(super) fn put_app(&mut self, id: &AppId, owner: &AccountId) -> Result<Answer, Rejection> {
        self.member(owner)?;
        self.ws.apps.insert(id.clone(), App { id: id.clone(), owner: owner.clone() });
        Ok(Answer::App(AppView {
            id: id.clone(),
            workspace: self.ws.id.clone(),
            owner: owner.clone(),
        }))
    }
}
