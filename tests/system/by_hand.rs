//! What the manual shows on the way: the commands of people who look, mend and help by hand.

use crate::manual::{commands, edit, event, install, run};
use crate::system::{API, System, wait_until};
use creditd::client::Client;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// What a call is answered, which must be done.
#[track_caller]
fn post(runtime: &Runtime, client: &Client, path: &str, key: &str, body: &Value) -> Value {
    let answer = runtime.block_on(client.post(path, key, body)).unwrap();
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.body
}

/// A team of three with two seats, the first of them ann's; two claims, and a grant.
fn team(system: &System, runtime: &Runtime, client: &Client) -> Vec<(&'static str, String)> {
    for id in ["ann", "bob", "carl"] {
        let account = json!({ "workspace": "atelier" });
        let path = format!("/v1/accounts/{id}");
        assert_eq!(runtime.block_on(client.put(&path, &account)).unwrap().status, 200);
    }
    let customer = json!({ "workspace": "atelier" });
    runtime.block_on(client.put("/v1/customers/cus_1", &customer)).unwrap();
    let item = json!({ "id": "si_1", "quantity": 2,
        "price": { "id": "starter", "recurring": { "interval": "month", "interval_count": 1 } } });
    let bought = json!({ "id": "sub_1", "object": "subscription", "customer": "cus_1",
        "status": "active", "start_date": 1_790_000_000, "billing_cycle_anchor": 1_790_000_000,
        "metadata": { "account": "ann" }, "items": { "data": [item] } });
    event(runtime, "evt_bought", &bought);
    let mut seats = Vec::new();
    wait_until("there are seats", || {
        let listed = runtime.block_on(client.get("/v1/workspaces/atelier/seats")).unwrap();
        seats = listed.body["data"].as_array().unwrap().clone();
        seats.len() == 2
    });
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let seat_of =
        |holder: &Value| text(&seats.iter().find(|seat| seat["holder"] == *holder).unwrap()["id"]);
    let claim = |account: &str, post_url: &str| {
        let claim = json!({ "network": "x", "post_url": post_url, "followers": 300 });
        text(
            &post(runtime, client, &format!("/v1/accounts/{account}/rewards"), post_url, &claim)["id"],
        )
    };
    let given = "creditd grant ann --kind message --amount 3 --reason 'sorry' --json";
    let given: Value = serde_json::from_str(&run(system, given)).unwrap();
    vec![
        ("seat_1", seat_of(&json!("ann"))),
        ("seat_2", seat_of(&Value::Null)),
        ("rw_1", claim("ann", "https://x.com/ann/1")),
        ("rw_2", claim("bob", "https://x.com/bob/1")),
        ("grant_1", text(&given["id"])),
    ]
}

/// Does what docs/STRIPE.md says, on our side of it.
fn connect_stripe(system: &System) {
    let headings = ["## 2. The endpoint", "## 6. Start, and catch up with what there is"];
    for line in headings.into_iter().flat_map(commands) {
        // There is no Stripe here, so that it cannot be asked, and nobody has bought yet.
        let asks = ["creditd sync", "sub_…", "curl "].iter().any(|words| line.contains(words));
        if !asks && !edit(system, line) {
            run(system, line);
        }
    }
}

#[test]
fn what_is_looked_at_and_mended_by_hand_is_so() {
    let system = System::bare();
    let key = install(&system);
    connect_stripe(&system);
    let runtime = system.enter();
    let client = Client::new(API.parse().unwrap(), &key);
    let names = team(&system, &runtime, &client);
    for heading in ["## Is everything right?", "## Logs", "## The command line", "## Traces"] {
        for line in commands(heading) {
            // Nobody is there to turn the pages.
            run(&system, &line.replace("| less", "| cat"));
        }
    }
    for line in commands("## Credits by hand") {
        let named = |line: String, (name, id): &(&str, String)| line.replace(name, id);
        run(&system, &names.iter().fold(line.to_owned(), named));
    }
    let balance = |account: &str| {
        let path = format!("/v1/accounts/{account}/balance");
        runtime.block_on(client.get(&path)).unwrap().body["message"]["spendable"].clone()
    };
    // 5 of the free plan, and 20 for the post. The grant was taken back; what had been counted twice was
    // the seat's, which is bob's now.
    assert_eq!(balance("ann"), "25");
    assert_eq!(balance("bob"), "97.5");
    run(&system, "creditd verify");
}

#[test]
fn the_sockets_address_is_changed_as_the_manual_says() {
    let system = System::bare();
    install(&system);
    for line in commands("## Socket activation") {
        let words = line.split('#').next().unwrap().trim();
        if words == "systemctl edit creditd.socket" {
            assert!(line.contains("[Socket], ListenStream=, ListenStream=127.0.0.1:9000"));
            let drop_in = "[Socket]\nListenStream=\nListenStream=127.0.0.1:9000\n";
            system.write("/etc/systemd/system/creditd.socket.d/override.conf", drop_in);
            run(&system, "systemctl daemon-reload");
        } else {
            run(&system, line);
        }
    }
    let runtime = system.enter();
    let elsewhere = Client::new("127.0.0.1:9000".parse().unwrap(), "");
    assert_eq!(runtime.block_on(elsewhere.get("/openapi.json")).unwrap().status, 200);
    assert!(runtime.block_on(Client::new(API.parse().unwrap(), "").get("/openapi.json")).is_err());
    assert!(system.journal().contains("server.listen is not used"));
}
