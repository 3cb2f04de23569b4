//! One installation: store, writer, inbox and schedule, with a clock that the test moves.

use super::case::{Act, Case, PEOPLE};
use super::ground::Ground;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use creditd::clock::Mode;
use creditd::inbox::{Inbox, Tempo};
use creditd::live::Live;
use creditd::metrics::Metrics;
use creditd::reconcile::Reconcile;
use creditd::reconcile::full::Mode as Compare;
use creditd::schedule::Schedule;
use creditd::settings::Settings;
use creditd::store::{Home, LedgerQuery, Line, Store};
use creditd::stripe::api::asking::Asking;
use creditd::stripe::api::manners::Manners;
use creditd::stripe::api::{ApiError, StripeApi};
use creditd::stripe::envelope::receive;
use creditd::stripe::snapshot::{PriceRef, Prices};
use creditd::writer::{Limits, Reply, Request, Submit, Wakes, Writer};
use creditd_rules::command::Touch;
use creditd_rules::decide::settle_for_reading;
use creditd_rules::entry::Entry;
use creditd_rules::view::{BalanceView, balance};
use creditd_rules::{Cause, Command, Workspace};
use fake_stripe::api::{Account, Request as Asked};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The one workspace.
const TEAM: &str = "team";

/// The app whose owner pays for integration actions.
const APP: &str = "shop";

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("creditd.toml");
    std::fs::write(&file, include_str!("plans.toml")).unwrap();
    Settings::load(Some(&file), [], None).unwrap()
});

/// The fake's API, without a network. Several can stand before one account.
struct Api {
    account: Arc<Mutex<Account>>,
    is_down: AtomicBool,
}

#[async_trait]
impl StripeApi for Api {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<String, ApiError> {
        if self.is_down.load(Ordering::Relaxed) {
            let why = String::from("503");
            return Err(ApiError::Down { code: "server_error", why, retry_after: None });
        }
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let asked = Asked::get(&format!("/v1{path}"), &query.join("&"));
        let answer = self.account.lock().unwrap().answer(&asked);
        match (answer.status, answer.body["error"]["code"].as_str()) {
            (200, _) => Ok(answer.body.to_string()),
            (_, Some("resource_missing")) => Err(ApiError::Missing),
            (status, _) => Err(ApiError::Request(format!("{status} {}", answer.body))),
        }
    }
}

/// An installation.
pub(super) struct Side {
    pub(super) inbox: Inbox,
    schedule: Schedule,
    api: Arc<Api>,
    stop: CancellationToken,
}

impl Drop for Side {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Side {
    pub(super) async fn new(case: &Case, ground: &Ground) -> Self {
        let store = ground.empty_store().await;
        let now = case.stripe(|stripe| stripe.now());
        store.set_test_clock(now).await.unwrap().unwrap();
        let side = Self::over(store, &case.account);
        for person in PEOPLE {
            side.put_person(person).await;
        }
        side.inbox.store.claim_app(&APP.into(), &TEAM.into()).await.unwrap();
        let owner = PEOPLE[0].into();
        side.submit(Command::PutApp { id: APP.into(), owner }).await;
        side
    }

    fn over(store: Arc<dyn Store>, account: &Arc<Mutex<Account>>) -> Self {
        let metrics = Arc::new(Metrics::new("memory"));
        let ground = creditd::writer::Ground {
            store: Arc::clone(&store),
            catalogue: Live::new(SETTINGS.catalogue.clone()),
            metrics: Arc::clone(&metrics),
            wakes: Arc::new(Wakes::default()),
        };
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let writer =
            Writer::spawned(&ground, Limits::default(), NonZeroUsize::MIN, &tracker, &stop);
        let writer: Arc<dyn Submit> = Arc::new(writer);
        let schedule = Schedule {
            store: Arc::clone(&store),
            writer: Arc::clone(&writer),
            metrics: Arc::clone(&metrics),
            wakes: ground.wakes,
            clock_mode: Mode::Test,
        };
        let pause = Duration::ZERO;
        let manners = Manners { rate: 0, pause, pause_max: pause, ..Manners::default() };
        let api = Arc::new(Api { account: Arc::clone(account), is_down: AtomicBool::new(false) });
        let asked = Arc::clone(&api) as Arc<dyn StripeApi>;
        let stripe = Some(Arc::new(Asking::new(asked, manners, false, Arc::clone(&metrics))));
        let prices: Arc<Prices> = Arc::new(|price: &PriceRef<'_>| {
            SETTINGS.prices.plan_for(price.id, price.lookup_key, price.product).cloned()
        });
        let (wake, tempo) = (Arc::default(), Tempo { pause, ..Tempo::default() });
        let inbox = Inbox { store, writer, prices, stripe, metrics, wake, tracker, tempo };
        Self { inbox, schedule, api, stop }
    }

    async fn put_person(&self, id: &str) {
        self.inbox.store.claim_account(&id.into(), &TEAM.into()).await.unwrap();
        let (email, name, locale) = (None, None, None);
        let (id, grant) = (id.into(), "grant".into());
        self.submit(Command::PutAccount { id, email, name, locale, grant }).await;
    }

    /// The clock goes to an instant; what falls due on the way is posted at its own.
    pub(super) async fn clock_to(&self, at: DateTime<Utc>) {
        let store = &self.inbox.store;
        while let Some(due) = store.next_due().await.unwrap().filter(|due| *due <= at) {
            let now = store.now().await.unwrap();
            store.set_test_clock(due.max(now)).await.unwrap().unwrap();
            self.schedule.post_due().await.unwrap();
        }
        store.set_test_clock(at).await.unwrap().unwrap();
    }

    /// From now on Stripe's API answers, or does not.
    pub(super) fn api_is_down(&self, is_down: bool) {
        self.api.is_down.store(is_down, Ordering::Relaxed);
    }

    /// Events arrive and are handled, and what is due then is posted.
    pub(super) async fn hear(&self, bodies: &[String]) {
        let inbox = &self.inbox;
        let now = inbox.store.now().await.unwrap();
        let events: Vec<_> =
            bodies.iter().map(|body| receive(body.as_bytes(), now, false)).collect();
        inbox.store.keep_events(&events).await.unwrap();
        inbox.handle_all().await.unwrap();
        self.schedule.post_due().await.unwrap();
    }

    /// Catches up with Stripe's lists of events and of subscriptions.
    pub(super) async fn catch_up(&self) {
        let reconcile = Reconcile { inbox: self.inbox.clone() };
        reconcile.events().await.unwrap();
        reconcile.compare_all(Compare::Heal, &mut |_| {}).await.unwrap();
        self.inbox.handle_all().await.unwrap();
        self.schedule.post_due().await.unwrap();
    }

    /// When something next falls due here.
    pub(super) async fn next_due(&self) -> Option<DateTime<Utc>> {
        self.inbox.store.next_due().await.unwrap()
    }

    /// Whether somebody was allowed to do something, and the refusal.
    pub(super) async fn ask(&self, act: &Act) -> String {
        let command = match act.clone() {
            Act::Use { id, action, account, quantity } => Command::Use {
                id: id.into(),
                action: action.into(),
                account: Some(account.to_owned()),
                app: (action == "agent_message").then(|| APP.into()),
                quantity,
            },
            Act::Assign { seat, to } => Command::Assign { seat: seat.into(), account: to.into() },
            Act::Transfer { seat, to } => Command::Transfer { seat: seat.into(), to: to.into() },
            Act::Release { seat } => Command::Release { seat: seat.into() },
        };
        self.submit(command).await
    }

    async fn submit(&self, command: Command) -> String {
        let cause = Cause { by: Some(String::from("key")), at: None };
        let home = Home::Workspace(TEAM.into());
        let request = Request { home, command, cause, key: None };
        match self.inbox.writer.submit(request).await.unwrap() {
            Reply::Done { .. } => String::from("done"),
            Reply::Rejected(rejection) => format!("{rejection:?}"),
        }
    }

    /// The workspace with all its people, seats and subscriptions, what is due settled.
    pub(super) async fn team(&self) -> Workspace {
        self.read().await.0
    }

    /// The whole ledger, the oldest line first; at its end what is due and not posted (R6), such as
    /// the end of a free window (R8).
    pub(super) async fn ledger(&self) -> Vec<Line> {
        let query = LedgerQuery { limit: 1_000_000, ..LedgerQuery::default() };
        let mut lines = self.inbox.store.ledger(&TEAM.into(), &query).await.unwrap();
        lines.reverse();
        let due = self.read().await.1.into_iter();
        lines.extend(due.map(|entry| Line { seq: None, posted_at: None, entry }));
        lines
    }

    /// The workspace as a read shows it now, and the lines that are due and not posted.
    async fn read(&self) -> (Workspace, Vec<Entry>) {
        let accounts = PEOPLE.map(Into::into).to_vec();
        let touch = Touch { team: true, accounts, ..Touch::default() };
        let home = Home::Workspace(TEAM.into());
        let (now, mut team) = self.inbox.store.read(&home, &touch).await.unwrap().unwrap();
        let due = settle_for_reading(&mut team, &SETTINGS.catalogue, now);
        team.decided_at = now.max(team.decided_at);
        (team, due)
    }
}

/// What each person of a team can spend, and how they stand.
pub(super) fn balances(team: &Workspace) -> Vec<BalanceView> {
    let shown = |one| BalanceView {
        // How many commits it took is nobody's balance.
        version: 0,
        ..balance(team, one, &SETTINGS.catalogue, team.decided_at)
    };
    team.accounts.values().map(shown).collect()
}
