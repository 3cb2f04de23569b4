"""Drives localstripe, a stand-in for Stripe that we did not write, with Stripe's SDK for Python.

    localstripe.py record
        prints each webhook that localstripe sent, one JSON line {"header", "body"} each
    localstripe.py drive --daemon http://127.0.0.1:8080 --key KEY --secret whsec_… [--price ID]
        sends the webhooks to a running creditd and prints one JSON line {"expect", "ok", "saw"}
        for each thing that should then hold; the exit status is 1 if one does not. KEY needs the
        scopes read and manage; the price (default price_builder) buys the plan builder.

localstripe listens on the loopback only and ends with this program. It never sends
customer.subscription.updated, nor anything at a renewal, so this shows purchases, failed payments
and ends.
"""

import argparse
import datetime
import http.server
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import stripe

SERVE = """
import sys
from aiohttp import web
from localstripe.server import app
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""
CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2099, "cvc": "123"}
BROKE = {**CARD, "number": "4000000000000341"}
PATIENCE_S = 15


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(happens, what):
    """Waits for what localstripe or the daemon does in its own time."""
    limit = time.monotonic() + PATIENCE_S
    while time.monotonic() < limit:
        if happens():
            return True
        time.sleep(0.05)
    print(f"localstripe.py: gave up waiting for {what}", file=sys.stderr)
    return False


class Localstripe:
    """A running localstripe that sends its webhooks to one address."""

    def __init__(self, url, secret):
        self.base = f"http://127.0.0.1:{free_port()}"
        port = self.base.rsplit(":", 1)[1]
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, port], stdout=sys.stderr, stderr=sys.stderr
        )
        until(self.answers, "localstripe")
        form = urllib.parse.urlencode({"url": url, "secret": secret}).encode()
        urllib.request.urlopen(f"{self.base}/_config/webhooks/creditd", data=form).read()
        self.client = stripe.StripeClient("sk_test_localstripe", base_addresses={"api": self.base})

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", int(self.base.rsplit(":", 1)[1])), 1).close()
            return True
        except OSError:
            return False

    def close(self):
        self.process.terminate()
        self.process.wait(10)

    def plan(self, price):
        product = self.client.v1.products.create({"name": "Builder", "type": "service"})
        self.client.v1.plans.create(
            {"id": price, "amount": 5000, "currency": "usd", "interval": "month", "product": product.id}
        )

    def customer(self, account, card):
        customer = self.client.v1.customers.create({"metadata": {"account": account}})
        method = self.client.v1.payment_methods.create({"type": "card", "card": card})
        self.client.v1.payment_methods.attach(method.id, {"customer": customer.id})
        settings = {"default_payment_method": method.id}
        self.client.v1.customers.update(customer.id, {"invoice_settings": settings})
        return customer

    def subscribe(self, customer, price, account):
        return self.client.v1.subscriptions.create(
            {"customer": customer.id, "items": [{"plan": price}], "metadata": {"account": account}}
        )


class Daemon:
    """The running creditd, by its contract."""

    def __init__(self, base, key):
        self.base, self.key = base, key

    def call(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def plan_of(self, account):
        return self.call("GET", f"/v1/accounts/{account}/balance")["plan"]

    def seats_of(self, workspace):
        return self.call("GET", f"/v1/workspaces/{workspace}/seats")["data"]


class Sink(http.server.BaseHTTPRequestHandler):
    """Takes webhooks and keeps them."""

    kept = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        Sink.kept.append({"header": self.headers["Stripe-Signature"], "body": body})
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def record():
    sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    local = Localstripe(f"http://127.0.0.1:{sink.server_port}/", "whsec_localstripe")
    try:
        local.plan("price_builder")
        customer = local.customer("ann", CARD)
        bought = local.subscribe(customer, "price_builder", "ann")
        local.subscribe(local.customer("bob", BROKE), "price_builder", "bob")
        local.client.v1.subscriptions.cancel(bought.id)
        local.client.v1.customers.delete(customer.id)
        came = lambda: any('"customer.deleted"' in sent["body"] for sent in Sink.kept)
        if not until(came, "the last webhook"):
            return 1
    finally:
        local.close()
        sink.shutdown()
    for sent in Sink.kept:
        print(json.dumps(sent))
    return 0


def month_after(began):
    """The same instant a month on, as a calendar that is not ours counts it."""
    from dateutil.relativedelta import relativedelta

    at = datetime.datetime.fromtimestamp(began, datetime.timezone.utc)
    return (at + relativedelta(months=1)).isoformat().replace("+00:00", "Z")


def drive(daemon, secret, price):
    all_ok = True

    def expect(what, saw, wanted):
        """Waits for `saw()` to be `wanted`, and says whether it came to be."""
        nonlocal all_ok
        ok = until(lambda: saw() == wanted, what)
        all_ok = all_ok and ok
        print(json.dumps({"expect": what, "ok": ok, "saw": saw()}), flush=True)

    run = uuid.uuid4().hex[:8]
    ann, bob, team = f"ann_{run}", f"bob_{run}", f"team_{run}"
    local = Localstripe(f"{daemon.base}/webhooks/stripe", secret)
    try:
        local.plan(price)
        daemon.call("PUT", f"/v1/accounts/{ann}", {"workspace": team})
        daemon.call("PUT", f"/v1/accounts/{bob}", {})

        customer = local.customer(ann, CARD)
        bought = local.subscribe(customer, price, ann)
        expect("a purchase puts the buyer on the plan", lambda: daemon.plan_of(ann), "builder")
        resets = lambda: daemon.call("GET", f"/v1/accounts/{ann}/schedule?count=1")["resets"]
        began = bought["start_date"]
        seconds = lambda: [at.split(".")[0].rstrip("Z") + "Z" for at in resets()]
        expect("it resets a month after the purchase", seconds, [month_after(began)])
        holders = lambda: [seat["holder"] for seat in daemon.seats_of(team)]
        expect("the buyer holds the one seat", holders, [ann])

        local.subscribe(local.customer(bob, BROKE), price, bob)
        states = lambda: [seat["status"] for seat in daemon.seats_of(bob)]
        expect("a seat whose first payment failed is suspended", states, ["suspended"])
        expect("its buyer is on free", lambda: daemon.plan_of(bob), "free")

        local.client.v1.subscriptions.cancel(bought.id)
        expect("a cancelled subscription leaves free", lambda: daemon.plan_of(ann), "free")

        again = local.customer(ann, CARD)
        local.subscribe(again, price, ann)
        expect("a second purchase counts", lambda: daemon.plan_of(ann), "builder")
        local.client.v1.customers.delete(again.id)
        expect("a deleted customer ends it", lambda: daemon.plan_of(ann), "free")
    finally:
        local.close()
    return 0 if all_ok else 1


def main():
    arguments = argparse.ArgumentParser(description="drives localstripe")
    modes = arguments.add_subparsers(dest="mode", required=True)
    modes.add_parser("record")
    driving = modes.add_parser("drive")
    driving.add_argument("--daemon", required=True)
    driving.add_argument("--key", required=True)
    driving.add_argument("--secret", required=True)
    driving.add_argument("--price", default="price_builder")
    given = arguments.parse_args()
    if given.mode == "record":
        return record()
    return drive(Daemon(given.daemon.rstrip("/"), given.key), given.secret, given.price)


if __name__ == "__main__":
    sys.exit(main())
