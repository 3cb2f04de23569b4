"""Signs and verifies with Stripe's SDK for Python.

Reads one JSON request a line, {"body", "secret", "time"} or those with "header", and answers each
with a line: the header that the SDK makes, or whether it accepts the given one.
"""

import json
import sys

import stripe
from stripe import WebhookSignature


def answer(request):
    body, secret = request["body"], request["secret"]
    if "header" not in request:
        made = WebhookSignature.generate_signature_header(body, secret, request["time"])
        return {"header": made}
    try:
        WebhookSignature.verify_header(body, request["header"], secret, tolerance=None)
    except stripe.SignatureVerificationError as cause:
        return {"accepted": False, "why": str(cause)}
    return {"accepted": True}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
