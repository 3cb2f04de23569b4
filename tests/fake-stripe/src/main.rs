//! The fake Stripe as a program, for tests that are not written in Rust.
//!
//! `fake-stripe [--listen 127.0.0.1:0] [--key sk_test_…] [--seed 1] [--now UNIX]`
//!
//! Prints its address and serves until it is interrupted.

use fake_stripe::api::Account;
use fake_stripe::server::Server;
use fake_stripe::{Settings, Stripe};
use std::error::Error;
use std::net::SocketAddr;
use tokio_util::task::TaskTracker;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut settings = Settings::default();
    let mut listen: SocketAddr = "127.0.0.1:0".parse()?;
    let mut keys = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
        match name.as_str() {
            "--listen" => listen = value.parse()?,
            "--key" => keys.push(value),
            "--seed" => settings.seed = value.parse()?,
            "--now" => {
                let at = chrono::DateTime::from_timestamp(value.parse()?, 0);
                settings.now = at.ok_or("--now is no instant")?;
            }
            _ => return Err(format!("{name} is not known").into()),
        }
    }
    if !listen.ip().is_loopback() {
        return Err("only addresses of the loopback are listened on".into());
    }
    let account = Account::new(Stripe::new(settings), keys);
    let server = Server::start_on(listen, account, &TaskTracker::new()).await?;
    println!("{}", server.url());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
