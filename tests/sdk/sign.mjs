// Signs and verifies with Stripe's SDK for Node: as sign.py, with the SDK's folder as argument.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const Stripe = createRequire(`${process.argv[2]}/`)("stripe");
const { webhooks } = new Stripe("sk_test_unused");

function answer({ body, secret, time, header }) {
  if (header === undefined) {
    const made = webhooks.generateTestHeaderString({ payload: body, secret, timestamp: time });
    return { header: made };
  }
  try {
    webhooks.signature.verifyHeader(body, header, secret);
    return { accepted: true };
  } catch (cause) {
    return { accepted: false, why: cause.message };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(answer(JSON.parse(line))));
}
