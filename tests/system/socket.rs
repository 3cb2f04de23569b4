//! With creditd.socket, a restart refuses nobody.

use crate::system::System;
use crate::traffic::{Connections, Traffic};
use std::sync::Arc;

#[test]
fn restarts_under_load_refuse_nobody_where_systemd_holds_the_socket() {
    let system = Arc::new(System::with_creditd(""));
    system.done("systemctl start creditd.socket creditd.service");
    let runtime = system.enter();
    let client = system.client();
    let traffic = Traffic::begin(&system, "ada", Connections::Fresh);
    for _ in 0..4 {
        let before = system.property("MainPID");
        system.done("systemctl restart creditd.service");
        assert_ne!(system.property("MainPID"), before);
        traffic.goes_on();
    }
    traffic.end_without_loss(&client, &runtime);
}

#[test]
fn the_first_call_starts_the_daemon_and_waits_for_it() {
    let system = Arc::new(System::with_creditd(""));
    system.done("systemctl start creditd.socket");
    assert_eq!(system.property("ActiveState"), "inactive");
    let runtime = system.enter();
    let traffic = Traffic::begin(&system, "ada", Connections::Fresh);
    assert_eq!(system.property("ActiveState"), "active");
    let client = system.client();
    traffic.end_without_loss(&client, &runtime);
}

#[test]
fn a_socket_elsewhere_than_in_the_settings_is_told() {
    let system = System::with_creditd("[server]\nlisten = \"127.0.0.1:8081\"\n");
    system.done("systemctl start creditd.socket creditd.service");
    let runtime = system.enter();
    let health = runtime.block_on(system.client().get("/openapi.json")).unwrap();
    assert_eq!(health.status, 200);
    let journal = system.journal();
    assert!(
        journal.contains("server.listen is not used: creditd.socket listens elsewhere"),
        "{journal}"
    );
}
