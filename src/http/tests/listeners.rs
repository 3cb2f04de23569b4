//! The listeners: what the ops one answers, and how connections are served.

use super::*;
use crate::http::server::Door;
use crate::http::{Readiness, Report, ops_router, server};
use axum::http::header;
use std::net::TcpListener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Well(bool);

#[async_trait]
impl Readiness for Well {
    async fn report(&self) -> Report {
        Report { ready: self.0, body: json!({ "mail": "files" }) }
    }
}

async fn ask(router: &Router, path: &str, accept: &str) -> (u16, String, String) {
    let request = Request::builder().uri(path).header(header::ACCEPT, accept);
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, kind, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn readiness_is_a_status_and_says_the_rest_in_its_body() {
    let metrics = Arc::new(Metrics::new("memory"));
    for (well, status) in [(true, 200), (false, 503)] {
        let router = ops_router(metrics.clone(), Arc::new(Well(well)));
        let (got, _, body) = ask(&router, "/readyz", "*/*").await;
        assert_eq!((got, body.as_str()), (status, "{\"mail\":\"files\"}"));
        assert_eq!(ask(&router, "/healthz", "*/*").await.0, 200);
        assert_eq!(ask(&router, "/v1/usage", "*/*").await.0, 404);
    }
}

#[tokio::test]
async fn metrics_are_given_in_the_format_that_is_asked_for() {
    let router = ops_router(Arc::new(Metrics::new("memory")), Arc::new(Well(true)));
    let (_, kind, text) = ask(&router, "/metrics", "text/plain").await;
    assert!(kind.starts_with("text/plain; version=0.0.4") && !text.contains("# EOF"));
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let (_, kind, text) = ask(&router, "/metrics", accept).await;
    assert!(kind.starts_with("application/openmetrics-text") && text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_connection_serves_many_requests_and_a_graceful_end_closes_it() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let door = Door::default();
    let client = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        for _ in 0..3 {
            let request = b"GET /v1/plans HTTP/1.1\r\nhost: x\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"}") {
                assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
            }
            assert!(answer.starts_with(b"HTTP/1.1 401 "));
        }
        door.close();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "the connection is closed");
    };
    let served = server::serve(listener, world.router.clone(), door.clone());
    let (served, ()) = tokio::join!(served, client);
    served.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn whoever_connected_before_a_door_closed_is_answered() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let door = Door::default();
    let client = async {
        let request = b"GET /v1/plans HTTP/1.1\r\nhost: x\r\n\r\n";
        let mut kept = TcpStream::connect(address).await.unwrap();
        kept.write_all(request).await.unwrap();
        assert!(!answer(&mut kept).await.contains("connection: close"));
        let mut fresh = TcpStream::connect(address).await.unwrap();
        // The daemon has accepted it once it serves one that came later.
        let mut later = TcpStream::connect(address).await.unwrap();
        later.write_all(request).await.unwrap();
        answer(&mut later).await;
        door.close();
        for stream in [&mut kept, &mut fresh] {
            stream.write_all(request).await.unwrap();
            assert!(answer(stream).await.contains("connection: close"));
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "the connection is closed");
        }
    };
    let served = server::serve(listener, world.router.clone(), door.clone());
    let (served, ()) = tokio::join!(served, client);
    served.unwrap();
}

/// Serves `router` for as long as `client` runs.
async fn with_server(router: Router, client: impl AsyncFnOnce(std::net::SocketAddr)) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let door = Door::default();
    let served = server::serve(listener, router, door.clone());
    let client = async {
        client(address).await;
        door.cut();
    };
    tokio::join!(served, client).0.unwrap();
}

/// Reads one answer: its head, and the JSON object after it.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"}") {
        assert!(stream.read_buf(&mut text).await.unwrap() > 0, "the connection is closed");
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_request_that_is_refused_before_its_body_came_keeps_its_connection() {
    let world = World::new().await;
    with_server(world.router.clone(), async |address| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        for _ in 0..3 {
            let head = "POST /v1/usage HTTP/1.1\r\nhost: x\r\ncontent-length: 40000\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&[b' '; 40_000]).await.unwrap();
            let answer = answer(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 401 ") && !answer.contains("connection: close"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_refused_body_that_has_no_end_costs_the_connection_and_not_the_answer() {
    let world = World::new().await;
    with_server(world.router.clone(), async |address| {
        let (mut reading, mut writing) = TcpStream::connect(address).await.unwrap().into_split();
        let head = "POST /v1/usage HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n";
        writing.write_all(head.as_bytes()).await.unwrap();
        let endless = async {
            // Until the daemon has had enough.
            while writing.write_all(&[b' '; 65_536]).await.is_ok() {}
        };
        let answer = async {
            let mut text = Vec::new();
            while !text.ends_with(b"}") {
                assert!(reading.read_buf(&mut text).await.unwrap() > 0);
            }
            String::from_utf8(text).unwrap()
        };
        let ((), answer) = tokio::join!(endless, answer);
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("connection: close"));
    })
    .await;
}

#[tokio::test]
async fn webhooks_whose_bodies_do_not_come_block_no_debit() {
    let world = World::with(Limits { requests: 2, ..Limits::default() }).await;
    with_server(world.router.clone(), async |address| {
        let mut slow = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // The daemon asks for the body once it has begun with the request.
            let head = "POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\
                        expect: 100-continue\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut asked = [0; 12];
            stream.read_exact(&mut asked).await.unwrap();
            assert_eq!(&asked, b"HTTP/1.1 100");
            slow.push(stream);
        }
        let mut third = TcpStream::connect(address).await.unwrap();
        let head = "POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx";
        third.write_all(head.as_bytes()).await.unwrap();
        let refused = answer(&mut third).await;
        assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1"));
        let mut debit = TcpStream::connect(address).await.unwrap();
        debit.write_all(b"GET /v1/plans HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(answer(&mut debit).await.starts_with("HTTP/1.1 401 "));
    })
    .await;
}
