//! The listeners: what the ops one answers, and how connections are served.

use super::*;
use crate::http::{Readiness, Report, ops_router, server};
use axum::http::header;
use axum_server::Handle;
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
    let handle = Handle::new();
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
        handle.graceful_shutdown(None);
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "the connection is closed");
    };
    let served = server::serve(listener, world.router.clone(), handle.clone());
    let (served, ()) = tokio::join!(served, client);
    served.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
