//! The story, scene by scene.

use super::daemon::Daemon;
use super::dates::bought_for;
use super::stage::Stage;
use super::stripe::{CUSTOMER, SUBSCRIPTION, Terms, send};
use super::traffic::survives_a_kill;
use crate::client::{Client, Response};
use crate::clock;
use anyhow::{Context, bail, ensure};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How far ahead the exact reset is when the story begins.
const RESET_IN: TimeDelta = TimeDelta::seconds(8);
/// How long something that must come to pass may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Plays the whole story.
pub(super) async fn play(daemon: &mut Daemon, stage: &mut Stage) -> anyhow::Result<()> {
    stage.title("creditd: a month in the life of two credits, in under a minute");
    let client = daemon.client();
    people(&client, stage).await?;
    let terms = purchase(&client, stage).await?;
    spending(&client, stage).await?;
    exact_reset(&client, stage, &terms).await?;
    run_out(daemon, &client, stage).await?;
    upgrade(&client, stage, &terms).await?;
    seat_moves(&client, stage).await?;
    stage.scene("The machine loses power in mid-traffic");
    accepted(
        &client,
        "/v1/accounts/carol/grants",
        "grant-carol",
        &json!({
            "kind": "message", "amount": "100000", "reason": "a demonstration needs traffic",
        }),
    )
    .await?;
    survives_a_kill(daemon, stage).await?;
    books(daemon, stage).await?;
    daemon.stop().await?;
    stage.end();
    Ok(())
}

async fn people(client: &Client, stage: &mut Stage) -> anyhow::Result<()> {
    stage.scene("A team, its app, and its customer at Stripe");
    for (name, mail) in [
        ("ann", "ann@atelier.example"),
        ("bob", "bob@atelier.example"),
        ("carol", "carol@atelier.example"),
    ] {
        let account = json!({ "workspace": "atelier", "email": mail, "name": name });
        changed(client, &format!("/v1/accounts/{name}"), &account).await?;
    }
    changed(client, "/v1/apps/shop", &json!({ "owner": "ann" })).await?;
    changed(client, &format!("/v1/customers/{CUSTOMER}"), &json!({ "workspace": "atelier" }))
        .await?;
    let balance = client.get("/v1/accounts/ann/balance").await?;
    stage.say("ann, bob and carol share the workspace atelier; ann owns the app shop");
    stage.check(balance.text("/plan") == "free", "without a purchase, ann is on the free plan")
}

async fn purchase(client: &Client, stage: &mut Stage) -> anyhow::Result<Terms> {
    stage.scene("Stripe tells of a purchase, by signed webhook");
    let second = TimeDelta::seconds(1);
    let renews_at = (clock::wall() + RESET_IN).duration_trunc(second)? + second;
    let bought_at = bought_for(renews_at).context("no purchase date for this boundary")?;
    let terms = Terms { price: "price_starter", quantity: 2, bought_at, renews_at };
    send(client, "evt_bought", "customer.subscription.created", &terms, bought_at).await?;
    let balance =
        until(client, "/v1/accounts/ann/balance", |answer| answer.text("/plan") == "starter")
            .await?;
    stage.say(&format!("two starter seats, bought {}", human(bought_at)));
    stage.check(
        balance.text("/message/remaining") == "100",
        "ann has 100 message credits for the cycle that runs now",
    )?;
    let schedule = client.get("/v1/accounts/ann/schedule?count=4").await?;
    let next: Vec<DateTime<Utc>> = serde_json::from_value(schedule.body["resets"].clone())?;
    stage.say("her next resets, each counted from the purchase itself:");
    stage.show(&next.iter().map(|at| human(*at)).collect::<Vec<_>>().join("\n"));
    stage.check(next.first() == Some(&renews_at), "the first is a few seconds away")?;
    Ok(terms)
}

async fn spending(client: &Client, stage: &mut Stage) -> anyhow::Result<()> {
    stage.scene("She chats and discusses");
    for (turn, action) in ["chat", "chat", "discuss", "visual_edit", "auto_fix"].iter().enumerate()
    {
        let asked = json!({ "action": action, "account": "ann" });
        let answer = accepted(client, "/v1/usage", &format!("ann-{turn}"), &asked).await?;
        let (cost, left) = (answer.text("/cost"), answer.text("/remaining"));
        stage.say(&format!("{action:<12} costs {cost:>3}, {left:>5} left"));
    }
    let again = json!({ "action": "chat", "account": "ann" });
    let replay = accepted(client, "/v1/usage", "ann-0", &again).await?;
    stage.check(
        replay.body["replayed"] == true && replay.text("/remaining") == "99",
        "the first request, sent again with its key, gets its first answer and costs nothing",
    )
}

async fn exact_reset(client: &Client, stage: &mut Stage, terms: &Terms) -> anyhow::Result<()> {
    stage.scene("The boundary, to the microsecond");
    let before = client.get("/v1/accounts/ann/balance").await?;
    stage.say(&format!(
        "{} left until {}",
        before.text("/message/remaining"),
        human(terms.renews_at)
    ));
    let started = |answer: &Response| answer.text("/message/cycle_started_at").parse().ok();
    let reset = until(client, "/v1/accounts/ann/balance", |answer| {
        started(answer) == Some(terms.renews_at)
    })
    .await?;
    stage.check(reset.text("/message/remaining") == "100", "100 again: the rest expired")?;
    let as_of: DateTime<Utc> = reset.text("/as_of").parse()?;
    stage.check(as_of >= terms.renews_at, "no read before the instant saw the new cycle")?;
    let posted = until(client, "/v1/accounts/ann/ledger?kind=message&limit=1", |answer| {
        !answer.text("/data/0/posted_at").is_empty()
    })
    .await?;
    let line = &posted.body["data"][0];
    let posted_at: DateTime<Utc> = posted.text("/data/0/posted_at").parse()?;
    let late = posted_at - terms.renews_at;
    stage.show(&ledger_line(line));
    stage.check(line["reason"] == "allowance", "the ledger has the reset")?;
    stage.say(&format!("posted {} µs after the instant", late.num_microseconds().unwrap_or(0)));
    Ok(())
}

async fn run_out(daemon: &Daemon, client: &Client, stage: &mut Stage) -> anyhow::Result<()> {
    stage.scene("ann's live app uses up its integration credits");
    let calls = json!({ "action": "integration_call", "app": "shop", "quantity": 1999 });
    let answer = accepted(client, "/v1/usage", "calls", &calls).await?;
    stage.say(&format!(
        "1999 calls by visitors; ann, the owner, pays: {} left",
        answer.text("/remaining")
    ));
    let message = json!({ "action": "agent_message", "app": "shop", "account": "visitor-7" });
    let refused = client.post("/v1/usage", "agent-1", &message).await?;
    stage.say("the next action costs 3 and is refused, with nothing taken:");
    stage.show(&serde_json::to_string_pretty(&refused.body)?);
    stage.check(
        refused.status == 402
            && refused.text("/code") == "integration_credits_exhausted"
            && refused.text("/remaining") == "1",
        "402: what is needed, what is left, when it resets",
    )?;
    let mail = mail_in(daemon).await?;
    let shown: Vec<&str> = mail
        .lines()
        .filter(|line| {
            ["From:", "To:", "Subject:", "Message-ID:"].iter().any(|name| line.starts_with(name))
        })
        .collect();
    stage.say("she is told by mail, once:");
    stage.show(&shown.join("\n"));
    stage.check(mail.contains("ann@atelier.example"), "the mail is on its way to ann")
}

async fn upgrade(client: &Client, stage: &mut Stage, terms: &Terms) -> anyhow::Result<()> {
    stage.scene("She upgrades");
    let chat = json!({ "action": "chat", "account": "ann", "quantity": 40 });
    accepted(client, "/v1/usage", "forty", &chat).await?;
    let builder = Terms { price: "price_builder", ..*terms };
    send(client, "evt_up", "customer.subscription.updated", &builder, clock::wall()).await?;
    let balance =
        until(client, "/v1/accounts/ann/balance", |answer| answer.text("/plan") == "builder")
            .await?;
    let (used, left) = (balance.text("/message/used"), balance.text("/message/remaining"));
    stage.say(&format!("builder allows 250; {used} were used and stay used: {left} left"));
    stage.check(
        used == "40" && left == "210",
        "the higher plan counts at once, and mints nothing",
    )?;
    let message = json!({ "action": "agent_message", "app": "shop" });
    accepted(client, "/v1/usage", "agent-1", &message).await?;
    stage.check(true, "the refused action succeeds under the same key")
}

async fn seat_moves(client: &Client, stage: &mut Stage) -> anyhow::Result<()> {
    stage.scene("ann hands her seat to bob, with what is used");
    let seats = client.get("/v1/workspaces/atelier/seats").await?;
    let seats = seats.body["data"].as_array().context("no seats")?.clone();
    ensure!(seats.len() == 2, "{SUBSCRIPTION} has {} seats, not 2", seats.len());
    let hers = seats.iter().find(|seat| seat["holder"] == "ann").context("ann has no seat")?;
    let path = format!("/v1/seats/{}/transfer", hers["id"].as_str().unwrap_or_default());
    accepted(client, &path, "to-bob", &json!({ "to": "bob" })).await?;
    let (ann, bob) = (
        client.get("/v1/accounts/ann/balance").await?,
        client.get("/v1/accounts/bob/balance").await?,
    );
    for (name, balance) in [("ann", &ann), ("bob", &bob)] {
        let (plan, used, left) = (
            balance.text("/plan"),
            balance.text("/message/used"),
            balance.text("/message/remaining"),
        );
        stage.say(&format!("{name}: {plan:<8} {used:>3} used, {left:>3} left"));
    }
    stage.check(
        ann.text("/plan") == "free"
            && bob.text("/plan") == "builder"
            && bob.text("/message/remaining") == "210",
        "bob has what was left, ann is on free; the seat was not refilled",
    )
}

async fn books(daemon: &Daemon, stage: &mut Stage) -> anyhow::Result<()> {
    stage.scene("The books");
    let ledger = daemon.client().get("/v1/accounts/ann/ledger?limit=12").await?;
    let lines = ledger.body["data"].as_array().context("no ledger")?;
    stage.show(&lines.iter().map(ledger_line).collect::<Vec<_>>().join("\n"));
    let verified = daemon.command(&["verify"]).await?;
    stage.show(&String::from_utf8_lossy(&verified.stdout));
    stage.check(verified.status.success(), "creditd verify: every pot adds up to its entries")
}

/// One line of the ledger for a person.
fn ledger_line(line: &Value) -> String {
    let text = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
    format!(
        "{:<27} {:<11} {:<10} {:>8}  → {:>7}  {}",
        text("effective_at"),
        text("kind"),
        text("reason"),
        text("amount"),
        text("pot_after"),
        line["action"].as_str().unwrap_or_else(|| line["cause"].as_str().unwrap_or("")),
    )
}

/// Waits for the first mail and reads it.
async fn mail_in(daemon: &Daemon) -> anyhow::Result<String> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let mails = std::fs::read_dir(daemon.mail_dir()).into_iter().flatten().flatten();
        let mut mails = mails
            .map(|mail| mail.path())
            .filter(|path| path.extension().is_some_and(|end| end == "eml"));
        if let Some(path) = mails.next() {
            return Ok(std::fs::read_to_string(path)?);
        }
        sleep(Duration::from_millis(10)).await;
    }
    bail!("no mail was written")
}

/// Asks again until the answer is as it must become.
async fn until(
    client: &Client, path: &str, holds: impl Fn(&Response) -> bool,
) -> anyhow::Result<Response> {
    let began = Instant::now();
    let patience = PATIENCE + RESET_IN.to_std()?;
    while began.elapsed() < patience {
        let answer = client.get(path).await?;
        if answer.status.is_success() && holds(&answer) {
            return Ok(answer);
        }
        sleep(Duration::from_millis(2)).await;
    }
    bail!("{path} did not become what it must")
}

async fn changed(client: &Client, path: &str, body: &Value) -> anyhow::Result<()> {
    let answer = client.put(path, body).await?;
    ensure!(answer.status.is_success(), "PUT {path}: {} {}", answer.status, answer.body);
    Ok(())
}

async fn accepted(
    client: &Client, path: &str, key: &str, body: &Value,
) -> anyhow::Result<Response> {
    let answer = client.post(path, key, body).await?;
    ensure!(answer.status.is_success(), "POST {path}: {} {}", answer.status, answer.body);
    Ok(answer)
}

fn human(at: DateTime<Utc>) -> String {
    at.format("%-d %B %Y at %H:%M:%S%.f UTC").to_string()
}
