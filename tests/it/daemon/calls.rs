//! Calls of the interface, as short as tests want them.

use super::time::{MICROSECOND, at, text};
use super::{Daemon, PATIENCE};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use creditd::client::Response;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

impl Daemon {
    /// Sends any request; a POST without a key of its own gets a new one.
    pub(crate) async fn call(&self, method: Method, path: &str, body: &Value) -> Response {
        let key = format!("key-{}", self.number());
        self.call_with(method, path, &[("idempotency-key", &key)], body).await
    }

    /// Sends any request with these headers.
    pub(crate) async fn call_with(
        &self, method: Method, path: &str, headers: &[(&str, &str)], body: &Value,
    ) -> Response {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        self.client().send(method, path, headers, body).await.unwrap()
    }

    /// Reads; the answer must be 200.
    pub(crate) async fn get(&self, path: &str) -> Value {
        accepted(path, self.client().get(path).await.unwrap())
    }

    /// Changes; the answer must be 200.
    pub(crate) async fn put(&self, path: &str, body: Value) -> Value {
        accepted(path, self.client().put(path, &body).await.unwrap())
    }

    /// Does; the answer must be 200.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        accepted(path, self.call(Method::POST, path, &body).await)
    }

    /// Does something that must be refused so; the problem.
    pub(crate) async fn refuses(&self, path: &str, body: Value, status: u16, code: &str) -> Value {
        refused(path, self.call(Method::POST, path, &body).await, status, code)
    }

    /// Sets the test clock.
    pub(crate) async fn clock(&mut self, now: &str) {
        self.clock_to(at(now)).await;
    }

    /// Sets the test clock.
    pub(crate) async fn clock_to(&mut self, now: DateTime<Utc>) {
        self.post("/v1/test-clock", json!({ "now": text(now) })).await;
        self.now = now;
    }

    /// Sets the test clock to the last microsecond before an instant.
    pub(crate) async fn clock_before(&mut self, instant: DateTime<Utc>) {
        self.clock_to(instant - MICROSECOND).await;
    }

    /// A person with a workspace of their own, who owns the app `<id>-app`.
    pub(crate) async fn person(&self, id: &str) {
        self.team(id, &[id]).await;
    }

    /// A workspace with these members. The first one owns it, and the app `<id>-app`.
    pub(crate) async fn team(&self, workspace: &str, members: &[&str]) {
        for id in members {
            let account = json!({ "workspace": workspace, "email": format!("{id}@creditd.test") });
            self.put(&format!("/v1/accounts/{id}"), account).await;
        }
        let owner = members[0];
        self.put(&format!("/v1/apps/{owner}-app"), json!({ "owner": owner })).await;
        let customer = json!({ "workspace": workspace });
        self.put(&format!("/v1/customers/cus_{workspace}"), customer).await;
    }

    /// A debit of message credits; whatever the answer is.
    pub(crate) async fn tries(&self, action: &str, account: &str, quantity: u32) -> Response {
        let body = json!({ "action": action, "account": account, "quantity": quantity });
        self.call(Method::POST, "/v1/usage", &body).await
    }

    /// A debit of message credits that must be accepted.
    pub(crate) async fn spends(&self, action: &str, account: &str, quantity: u32) -> Value {
        accepted(action, self.tries(action, account, quantity).await)
    }

    /// `quantity` chats, which cost a message credit each.
    pub(crate) async fn chats(&self, account: &str, quantity: u32) -> Value {
        self.spends("chat", account, quantity).await
    }

    /// A chat that is refused for want of credits; the problem.
    pub(crate) async fn cannot_chat(&self, account: &str, quantity: u32) -> Value {
        let answer = self.tries("chat", account, quantity).await;
        refused("chat", answer, 402, "message_credits_exhausted")
    }

    /// `quantity` integration calls of the account's app, which cost an integration credit each.
    pub(crate) async fn app_calls(&self, owner: &str, quantity: u32) -> Response {
        let app = format!("{owner}-app");
        let body = json!({ "action": "integration_call", "app": app, "quantity": quantity });
        self.call(Method::POST, "/v1/usage", &body).await
    }

    /// Gives message credits by hand; the grant.
    pub(crate) async fn grants(&self, account: &str, amount: &str, ends: Option<&str>) -> Value {
        let mut body = json!({ "kind": "message", "amount": amount, "reason": "a test" });
        if let Some(ends) = ends {
            body["expires_at"] = ends.into();
        }
        self.post(&format!("/v1/accounts/{account}/grants"), body).await
    }

    /// An account's balance.
    pub(crate) async fn balance(&self, account: &str) -> Value {
        self.get(&format!("/v1/accounts/{account}/balance")).await
    }

    /// Plan, and what is used and left of the message allowance: `builder: 10 used, 240 left`.
    pub(crate) async fn standing(&self, account: &str) -> String {
        let balance = self.balance(account).await;
        let message = |name: &str| word(&balance["message"][name]);
        let (used, left) = (message("used"), message("remaining"));
        format!("{}: {used} used, {left} left", word(&balance["plan"]))
    }

    /// When the account's message credits are reset.
    pub(crate) async fn resets_at(&self, account: &str) -> String {
        word(&self.balance(account).await["message"]["resets_at"])
    }

    /// Message credits that can be spent.
    pub(crate) async fn spendable(&self, account: &str) -> String {
        word(&self.balance(account).await["message"]["spendable"])
    }

    /// The next boundaries.
    pub(crate) async fn schedule(&self, account: &str, count: u32) -> Vec<String> {
        let answer = self.get(&format!("/v1/accounts/{account}/schedule?count={count}")).await;
        answer["resets"].as_array().unwrap().iter().map(word).collect()
    }

    /// All lines of a list, page by page.
    pub(crate) async fn pages(&self, path: &str) -> Vec<Value> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        let mark = if path.contains('?') { '&' } else { '?' };
        loop {
            let mut page = self.get(&format!("{path}{mark}limit=1000{cursor}")).await;
            rows.append(page["data"].as_array_mut().unwrap());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return rows,
            }
        }
    }

    /// The message lines of an account's ledger, oldest first.
    pub(crate) async fn ledger(&self, account: &str) -> Vec<Value> {
        let mut rows = self.pages(&format!("/v1/accounts/{account}/ledger?kind=message")).await;
        rows.reverse();
        rows
    }

    /// The same in short, without debits: `2026-03-01T10:00:00Z allowance 100 -> 100`.
    pub(crate) async fn lines(&self, account: &str) -> Vec<String> {
        let rows = self.ledger(account).await;
        rows.iter().filter(|row| row["reason"] != "use").map(line).collect()
    }

    /// The seats of a workspace that have not ended, by place.
    pub(crate) async fn seats(&self, workspace: &str) -> Vec<Value> {
        self.pages(&format!("/v1/workspaces/{workspace}/seats")).await
    }

    /// The seat that an account holds.
    pub(crate) async fn seat_of(&self, workspace: &str, account: &str) -> String {
        let seats = self.seats(workspace).await;
        let theirs = seats.iter().find(|seat| seat["holder"] == account);
        word(&theirs.unwrap_or_else(|| panic!("{account} holds none of {seats:?}"))["id"])
    }

    /// A seat that nobody holds.
    pub(crate) async fn vacant_seat(&self, workspace: &str) -> String {
        let seats = self.seats(workspace).await;
        let vacant = seats.iter().find(|seat| seat["holder"].is_null());
        word(&vacant.unwrap_or_else(|| panic!("none of {seats:?} is vacant"))["id"])
    }

    /// Gives a vacant seat of the workspace to an account.
    pub(crate) async fn assigns(&self, workspace: &str, account: &str) -> String {
        let seat = self.vacant_seat(workspace).await;
        let path = format!("/v1/seats/{seat}/assign");
        self.post(&path, json!({ "account": account })).await;
        seat
    }

    /// Sends `count` requests at once; their answers, in order.
    pub(crate) async fn at_once(
        &self, count: usize, path: &str, request: impl Fn(usize) -> (String, Value),
    ) -> Vec<Response> {
        let one = |number: usize| {
            let (client, path) = (self.client().clone(), path.to_owned());
            let (key, body) = request(number);
            async move { client.post(&path, &key, &body).await.unwrap() }
        };
        futures_util::future::join_all((0..count).map(one)).await
    }

    /// The mails that were written to files, once there are so many.
    pub(crate) async fn mails(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mails = self.mails_now();
            if mails.len() >= count {
                assert_eq!(mails.len(), count);
                return mails;
            }
            assert!(Instant::now() < deadline, "{} mails and not {count}", mails.len());
            sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// The mails that were written to files.
    pub(crate) fn mails_now(&self) -> Vec<String> {
        let Ok(files) = std::fs::read_dir(self.path("mail")) else { return Vec::new() };
        let paths = files.map(|file| file.unwrap().path());
        let mails = paths.filter(|path| path.extension().is_some_and(|end| end == "eml"));
        mails.map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    /// The value of a metric, by its name with labels; 0 where it is not there.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let page = self.ops().get("/metrics").await.unwrap();
        let page = page.body.as_str().unwrap().to_owned();
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// How often the operator was alerted so.
    pub(crate) async fn alerts(&self, code: &str) -> u32 {
        let count = self.metric(&format!("creditd_alerts_total{{code=\"{code}\"}}")).await;
        format!("{count}").parse().unwrap()
    }
}

/// The body of an answer that must be 200.
#[track_caller]
pub(crate) fn accepted(what: &str, answer: Response) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{what}: {}", answer.body);
    answer.body
}

/// The body of an answer that must be this problem.
#[track_caller]
pub(crate) fn refused(what: &str, answer: Response, status: u16, code: &str) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.body);
    assert_eq!(answer.text("/code"), code, "{what}: {}", answer.body);
    answer.body
}

/// A line of the ledger in short.
pub(crate) fn line(row: &Value) -> String {
    let [effective_at, reason, amount, after] =
        ["effective_at", "reason", "amount", "pot_after"].map(|name| word(&row[name]));
    format!("{effective_at} {reason} {amount} -> {after}")
}

/// A text of an answer; `null` where there is none.
pub(crate) fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
