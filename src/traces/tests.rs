use super::*;

/// Traces whose spans end in a queue of this size.
fn traces(one_in: u32, queue: usize) -> (Traces, mpsc::Receiver<Finished>, Metrics) {
    let (ended, taken) = mpsc::channel(queue);
    let metrics = Metrics::new("sqlite");
    let (outcomes, one_in) = (metrics.spans.clone(), NonZeroU32::new(one_in).unwrap());
    (Traces(Some(Arc::new(Recording { ended, outcomes, one_in }))), taken, metrics)
}

fn caller(flags: &str) -> Option<Traceparent> {
    Traceparent::parse(&format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}"))
}

fn arrive(traces: &Traces, caller: Option<Traceparent>) -> Span {
    traces.arrived(|| String::from("request"), caller)
}

#[tokio::test]
async fn off_nothing_is_even_named() {
    let off = Traces::default();
    let span = off.arrived(|| panic!("a name was made"), caller("01"));
    assert_eq!(span.place(), None);
    assert_eq!(span.around(async { current() }).await, None);
    assert_eq!(off.step("step", Kind::Internal, caller("01")).place(), None);
    assert_eq!(off.joint("batch", caller("01").into_iter()).place(), None);
    assert_eq!(size_of::<Span>(), size_of::<usize>(), "a command carries no more than that");
}

#[tokio::test]
async fn a_caller_decides_and_else_one_in_so_many_is_traced() {
    let (all, mut ended, _) = traces(1, 10);
    let (few, _kept, _) = traces(u32::MAX, 10);
    let named = caller("01").unwrap();
    for traces in [&all, &few] {
        let place = arrive(traces, Some(named)).place().unwrap();
        assert_eq!((place.trace_id(), place.is_sampled()), (named.trace_id(), true));
        assert_eq!(arrive(traces, caller("00")).place(), None);
    }
    assert!((0..100).all(|_| arrive(&few, None).place().is_none()));
    let root = arrive(&all, None).place().unwrap();
    assert_ne!(root.trace_id(), named.trace_id());
    let first = ended.recv().await.unwrap();
    assert_eq!(first.place.parent, Some(named.span));
    assert_eq!(ended.recv().await.unwrap().place.parent, None);
}

#[tokio::test]
async fn what_is_done_within_a_step_is_part_of_it() {
    let (traces, mut ended, _) = traces(1, 10);
    let span = arrive(&traces, None);
    let inner = span.around(async { traces.here("inner", Kind::Client).place().unwrap() }).await;
    assert_eq!(traces.here("outside", Kind::Client).place(), None);
    let parent = span.place().unwrap();
    assert_eq!(inner.trace_id(), parent.trace_id());
    let inner = ended.recv().await.unwrap();
    assert_eq!((&*inner.name, inner.place.parent), ("inner", Some(parent.span)));
}

#[tokio::test]
async fn a_full_queue_keeps_nobody_waiting() {
    let (traces, mut ended, metrics) = traces(1, 1);
    for _ in 0..3 {
        drop(arrive(&traces, None));
    }
    assert!(ended.recv().await.is_some());
    let page = metrics.classic_text().unwrap();
    assert!(page.contains("creditd_spans_total{outcome=\"dropped\"} 2"), "{page}");
}
