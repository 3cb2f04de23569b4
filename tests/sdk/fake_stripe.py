"""Drives the fake Stripe with Stripe's SDK, and checks what it answers: the SDK is the judge.

fake_stripe.py URL KEY

Prints one line of JSON for each step: its name, and whether it went as it should.
"""

import json
import sys
import urllib.parse
import urllib.request

import stripe

URL, KEY = sys.argv[1], sys.argv[2]
CLIENT = stripe.StripeClient(KEY, base_addresses={"api": URL}, max_network_retries=0)
V1 = CLIENT.v1
STEPS = []


def step(function):
    STEPS.append(function)
    return function


def control(path, **fields):
    data = urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(URL + path, data=data) as answer:
        return json.load(answer)


def buyer(**more):
    return V1.customers.create({"email": "ann@example.com", "payment_method": "pm_card_visa",
                                "invoice_settings": {"default_payment_method": "pm_card_visa"},
                                "metadata": {"account": "ann"}, **more})


def price(amount, interval="month", **more):
    product = V1.products.create({"name": "plan"})
    return V1.prices.create({"product": product.id, "unit_amount": amount, "currency": "usd",
                             "recurring": {"interval": interval, **more}})


def subscribe(customer, *items, **more):
    items = [{"price": price.id, "quantity": count} for price, count in items]
    return V1.subscriptions.create({"customer": customer.id, "items": items, **more})


def refused(kind, call, *args, **more):
    try:
        call(*args, **more)
    except kind as error:
        return error
    raise AssertionError(f"{call} was not refused")


SMALL, LARGE, YEAR = price(2000), price(5000), price(20000, "year")


@step
def a_wrong_key_is_refused():
    wrong = stripe.StripeClient("sk_test_wrong", base_addresses={"api": URL})
    error = refused(stripe.AuthenticationError, wrong.v1.customers.list)
    assert error.http_status == 401


@step
def customers_are_made_changed_listed_and_deleted():
    customer = buyer(name="Ann")
    assert V1.customers.retrieve(customer.id).metadata["account"] == "ann"
    V1.customers.update(customer.id, {"metadata": {"account": "", "workspace": "w"}})
    found = V1.customers.retrieve(customer.id)
    assert found.metadata.to_dict() == {"workspace": "w"}, found.metadata
    assert customer.id in [found.id for found in V1.customers.list().auto_paging_iter()]
    V1.customers.delete(customer.id)
    assert V1.customers.retrieve(customer.id).deleted
    error = refused(stripe.InvalidRequestError, V1.customers.retrieve, "cus_nobody")
    assert error.http_status == 404 and error.code == "resource_missing"


@step
def a_subscription_is_bought_and_read():
    sub = subscribe(buyer(), (SMALL, 3), metadata={"account": "ann"})
    assert sub.status == "active" and sub["items"].data[0].quantity == 3
    assert sub.start_date == sub.billing_cycle_anchor == sub["items"].data[0].current_period_start
    found = V1.subscriptions.retrieve(sub.id, {"expand": ["customer", "latest_invoice"]})
    assert found.customer.metadata["account"] == "ann"
    assert found.latest_invoice.status == "paid" and found.latest_invoice.amount_paid == 6000


@step
def month_ends_are_clamped_and_come_back():
    sub = subscribe(buyer(), (SMALL, 1))
    ends = []
    for _ in range(3):
        ends.append(V1.subscriptions.retrieve(sub.id)["items"].data[0].current_period_end)
        control("/_fake/clock", to=ends[-1])
    # 28 February, 31 March, 30 April of 2026, at 10:20:30.
    assert ends == [1772274030, 1774952430, 1777544430], ends


@step
def price_quantity_and_items_change():
    sub = subscribe(buyer(), (SMALL, 1))
    item = sub["items"].data[0].id
    sub = V1.subscriptions.update(sub.id, {"items": [{"id": item, "price": LARGE.id, "quantity": 2}],
                                           "proration_behavior": "always_invoice"})
    assert sub["items"].data[0].price.id == LARGE.id and sub["items"].data[0].quantity == 2
    V1.subscription_items.update(item, {"quantity": 5})
    assert V1.subscription_items.retrieve(item).quantity == 5
    added = V1.subscription_items.create({"subscription": sub.id, "price": SMALL.id, "quantity": 1})
    listed = V1.subscription_items.list({"subscription": sub.id})
    assert [found.id for found in listed.data] == [item, added.id]
    V1.subscription_items.delete(added.id)
    assert len(V1.subscriptions.retrieve(sub.id)["items"].data) == 1


@step
def the_anchor_is_moved_and_configured():
    sub = subscribe(buyer(), (SMALL, 1), billing_cycle_anchor_config={"day_of_month": 31, "hour": 0,
                                                                   "minute": 0, "second": 0})
    assert sub.billing_cycle_anchor_config.day_of_month == 31
    assert sub["items"].data[0].current_period_end == sub.billing_cycle_anchor
    now = control("/_fake/clock", by=3600)["now"]
    sub = V1.subscriptions.update(sub.id, {"billing_cycle_anchor": "now"})
    assert sub.billing_cycle_anchor == now and sub.start_date < now


@step
def a_trial_ends_by_itself_or_now():
    sub = subscribe(buyer(), (SMALL, 1), trial_period_days=14)
    assert sub.status == "trialing" and sub.trial_end == sub.billing_cycle_anchor
    sub = V1.subscriptions.update(sub.id, {"trial_end": sub.trial_end + 86400})
    control("/_fake/clock", to=sub.trial_end)
    assert V1.subscriptions.retrieve(sub.id).status == "active"
    sub = subscribe(buyer(), (SMALL, 1), trial_period_days=14)
    assert V1.subscriptions.update(sub.id, {"trial_end": "now"}).status == "active"


@step
def an_end_is_planned_undone_and_done():
    sub = subscribe(buyer(), (SMALL, 1))
    sub = V1.subscriptions.update(sub.id, {"cancel_at_period_end": True})
    assert sub.cancel_at == sub["items"].data[0].current_period_end and sub.canceled_at
    sub = V1.subscriptions.update(sub.id, {"cancel_at_period_end": False})
    assert sub.cancel_at is None
    sub = V1.subscriptions.update(sub.id, {"cancel_at": "max_period_end"})
    sub = V1.subscriptions.update(sub.id, {"cancel_at": ""})
    assert sub.cancel_at is None
    sub = V1.subscriptions.cancel(sub.id, {"invoice_now": True})
    assert sub.status == "canceled" and sub.ended_at
    refused(stripe.InvalidRequestError, V1.subscriptions.update, sub.id, {"trial_end": "now"})


@step
def payments_fail_and_come():
    customer = buyer()
    control("/_fake/cards", customer=customer.id, card="declines")
    sub = subscribe(customer, (SMALL, 1))
    assert sub.status == "incomplete"
    error = refused(stripe.CardError, V1.invoices.pay, sub.latest_invoice)
    assert error.code == "card_declined"
    error = refused(stripe.CardError, subscribe, customer, (SMALL, 1),
                    payment_behavior="error_if_incomplete")
    assert error.http_status == 402
    control("/_fake/cards", customer=customer.id, card="pays")
    V1.invoices.pay(sub.latest_invoice)
    assert V1.subscriptions.retrieve(sub.id).status == "active"


@step
def collection_and_subscription_are_paused_and_resumed():
    sub = subscribe(buyer(), (SMALL, 1))
    sub = V1.subscriptions.update(sub.id, {"pause_collection": {"behavior": "void"}})
    assert sub.status == "active" and sub.pause_collection.behavior == "void"
    sub = V1.subscriptions.update(sub.id, {"pause_collection": ""})
    assert sub.pause_collection is None
    sub = V1.subscriptions.pause(sub.id, {"type": "subscription"})
    assert sub.status == "paused"
    assert sub.status_details.paused.subscription.type == "pause_requested"
    sub = V1.subscriptions.resume(sub.id, {"billing_cycle_anchor": "unchanged"})
    assert sub.status == "active"


@step
def a_schedule_changes_the_price_with_the_period():
    sub = subscribe(buyer(), (LARGE, 1))
    schedule = V1.subscription_schedules.create({"from_subscription": sub.id})
    phase = schedule.phases[0]
    V1.subscription_schedules.update(schedule.id, {"end_behavior": "release", "phases": [
        {"items": [{"price": LARGE.id, "quantity": 1}], "start_date": phase.start_date,
         "end_date": phase.end_date},
        {"items": [{"price": SMALL.id, "quantity": 2}],
         "duration": {"interval": "month", "interval_count": 1}},
    ]})
    assert V1.subscriptions.retrieve(sub.id).schedule == schedule.id
    control("/_fake/clock", to=phase.end_date)
    found = V1.subscriptions.retrieve(sub.id)
    assert found["items"].data[0].price.id == SMALL.id and found["items"].data[0].quantity == 2
    V1.subscription_schedules.release(schedule.id)
    assert V1.subscriptions.retrieve(sub.id).schedule is None


@step
def lists_are_paged_both_ways():
    customer = buyer()
    made = [subscribe(customer, (SMALL, 1)).id for _ in range(7)]
    V1.subscriptions.cancel(made[3])
    query = {"customer": customer.id, "status": "all", "limit": 3}
    listed = [sub.id for sub in V1.subscriptions.list(query).auto_paging_iter()]
    assert listed == made[::-1]
    query = {"customer": customer.id, "limit": 100}
    assert len(V1.subscriptions.list(query).data) == 6, "without the canceled one"
    events = V1.events.list({"types": ["customer.subscription.created"], "limit": 100}).data
    oldest = [event for event in events if event.data.object["id"] == made[0]][0].id
    query = {"types": ["customer.subscription.created"], "ending_before": oldest, "limit": 2}
    newer = [event.data.object["id"] for event in V1.events.list(query).auto_paging_iter()]
    assert newer == made[1:], "the SDK turns pages before an event into the order of time"


@step
def a_key_makes_a_request_once():
    query = {"name": "once"}
    first = V1.products.create(query, {"idempotency_key": "key-1"})
    again = V1.products.create(query, {"idempotency_key": "key-1"})
    assert first.id == again.id
    refused(stripe.IdempotencyError, V1.products.create, {"name": "other"},
            {"idempotency_key": "key-1"})


@step
def webhooks_are_verified_and_read():
    secret = "whsec_fake"
    query = urllib.parse.urlencode({"secret": secret, "sent_at": 1900000000})
    with urllib.request.urlopen(f"{URL}/_fake/webhooks?{query}") as answer:
        webhooks = json.load(answer)
    assert len(webhooks) > 40
    for webhook in webhooks:
        event = stripe.Webhook.construct_event(webhook["body"], webhook["signature"], secret,
                                               tolerance=10**9)
        assert event.id == webhook["id"] and event.type == webhook["type"]
    with urllib.request.urlopen(f"{URL}/_fake/webhooks?{query}&thin=true") as answer:
        thin = json.load(answer)[-1]
    note = CLIENT.parse_event_notification(thin["body"], thin["signature"], secret,
                                           tolerance=10**9)
    assert note.type == "v1." + thin["type"]


for function in STEPS:
    try:
        function()
        print(json.dumps({"step": function.__name__, "ok": True}), flush=True)
    except Exception as error:  # noqa: BLE001: whatever it is, the test shows it
        what = f"{type(error).__name__}: {error}"
        print(json.dumps({"step": function.__name__, "ok": False, "error": what}), flush=True)
