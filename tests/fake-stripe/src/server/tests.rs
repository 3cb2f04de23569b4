use super::*;
use crate::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn server() -> Server {
    let account = Account::new(Stripe::new(Settings::default()), vec!["sk_test_good".into()]);
    Server::start(account, &TaskTracker::new()).await.unwrap()
}

/// Sends one request and reads the whole answer.
async fn send(server: &Server, head: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!(
        "{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer sk_test_good\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn status(server: &Server, head: &str) -> u16 {
    send(server, head).await[9..12].parse().unwrap()
}

#[tokio::test]
async fn requests_are_answered_and_logged() {
    let server = server().await;
    let answer = send(&server, "GET /v1/customers?limit=3").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#""url":"/v1/customers"}"#));
    assert!(answer.contains("stripe-version: 2026-09-30.endive"));
    let requests = server.requests();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    let logged = (request.method.as_str(), request.path.as_str(), request.query.as_str());
    assert_eq!(logged, ("GET", "/v1/customers", "limit=3"));
    assert_eq!(request.key.as_deref(), Some("sk_test_good"));
    server.set_keys(&["sk_test_other"]);
    assert_eq!(status(&server, "GET /v1/customers").await, 401);
}

#[tokio::test]
async fn it_fails_as_often_as_it_is_told_to() {
    let server = server().await;
    let head = "GET /v1/customers";
    server.fail_next(Failure::Status(429), 1);
    server.fail_next(Failure::Status(503), 1);
    let limited = send(&server, head).await;
    assert!(limited.starts_with("HTTP/1.1 429") && limited.contains("rate_limit"), "{limited}");
    assert_eq!(status(&server, head).await, 503);
    assert_eq!(status(&server, head).await, 200);
    server.fail_next(Failure::TooMany(7), 1);
    let limited = send(&server, head).await;
    assert!(limited.starts_with("HTTP/1.1 429") && limited.contains("retry-after: 7"), "{limited}");
    server.fail_always(Failure::Garbage);
    for _ in 0..2 {
        assert!(send(&server, head).await.contains("<html>"));
    }
    server.mend();
    server.fail_path("/v1/events", Failure::Cut);
    assert!(!send(&server, "GET /v1/events").await.ends_with('}'));
    assert!(send(&server, head).await.ends_with('}'));
}

#[tokio::test]
async fn a_request_hangs_until_it_is_mended() {
    let server = server().await;
    server.fail_always(Failure::Hang);
    let waiting = send(&server, "GET /v1/customers");
    let mending = async {
        server.wait_for_requests(1).await;
        server.mend();
    };
    let (answer, ()) = tokio::join!(waiting, mending);
    assert!(answer.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_server_that_went_can_come_back_at_its_address() {
    let tasks = TaskTracker::new();
    let account = Account::new(Stripe::new(Settings::default()), Vec::new());
    let server = Server::start(account.clone(), &tasks).await.unwrap();
    let address = server.address();
    assert_eq!(status(&server, "GET /v1/customers").await, 200);
    drop(server);
    tasks.close();
    tasks.wait().await;
    assert!(TcpStream::connect(address).await.is_err());
    let server = Server::start_on(address, account, &TaskTracker::new()).await.unwrap();
    assert_eq!(status(&server, "GET /v1/customers").await, 200);
}

#[tokio::test]
async fn a_test_in_another_process_moves_the_clock_and_reads_webhooks() {
    let server = server().await;
    server.with(|stripe| drop(stripe.create_product(None, "p", Default::default())));
    let webhooks = send(&server, "GET /_fake/webhooks?secret=whsec_x").await;
    assert!(webhooks.contains("product.created") && webhooks.contains("v1="), "{webhooks}");
    assert_eq!(status(&server, "GET /_fake/nothing").await, 404);
    assert!(server.requests().is_empty(), "these are not Stripe's");
}
