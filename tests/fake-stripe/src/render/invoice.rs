//! Invoices and their lines.

use super::subscription::collection_method;
use super::{Renderer, extend, list, metadata, put, unix};
use crate::object::invoice::{InvoiceStatus, Line};
use crate::object::{Invoice, InvoiceItem};
use serde_json::{Value, json};

impl Renderer {
    /// An invoice.
    #[must_use]
    pub fn invoice(&self, invoice: &Invoice) -> Value {
        let lines: Vec<_> = invoice.lines.iter().map(|line| self.line(invoice, line)).collect();
        let start = invoice.lines.iter().map(|line| line.start).min().unwrap_or(invoice.created);
        let mut object = json!({
            "id": invoice.id,
            "object": "invoice",
            "account_country": "US",
            "account_name": "fake",
            "account_tax_ids": null,
            "application": null,
            "automatic_tax": self.invoice_tax(),
            "billing_reason": invoice.reason.as_str(),
            "collection_method": collection_method(invoice.is_sent),
            "created": invoice.created.timestamp(),
            "currency": invoice.currency,
            "custom_fields": null,
            "customer": invoice.customer,
            "customer_email": null,
            "default_payment_method": null,
            "default_tax_rates": [],
            "description": invoice.description,
            "discounts": [],
            "due_date": null,
            "footer": null,
            "issuer": { "type": "self" },
            "last_finalization_error": null,
            "livemode": self.livemode,
            "metadata": metadata(&invoice.metadata),
            "number": format!("FAKE-{:04}", invoice.number),
            "on_behalf_of": null,
            "payment_settings": {
                "default_mandate": null, "payment_method_options": null,
                "payment_method_types": null,
            },
            "period_end": invoice.created.timestamp(),
            "period_start": start.min(invoice.created).timestamp(),
            "receipt_number": null,
            "statement_descriptor": null,
            "status": invoice.status.as_str(),
            "test_clock": invoice.test_clock,
            "webhooks_delivered_at": null,
        });
        put(&mut object, "lines", list(lines, &format!("/v1/invoices/{}/lines", invoice.id)));
        extend(&mut object, money(invoice));
        extend(&mut object, progress(invoice));
        extend(&mut object, self.invoice_by_version(invoice));
        object
    }

    fn invoice_by_version(&self, invoice: &Invoice) -> Value {
        let mut fields = json!({});
        if self.version.since("2025-03-31") {
            fields["amount_overpaid"] = json!(0);
            fields["total_taxes"] = json!([]);
            fields["payments"] = list(Vec::new(), "/v1/invoices/payments");
        } else {
            fields["subscription"] = json!(invoice.subscription);
            fields["paid"] = json!(invoice.status == InvoiceStatus::Paid);
            fields["charge"] = Value::Null;
            fields["payment_intent"] = Value::Null;
            fields["discount"] = Value::Null;
            fields["tax"] = Value::Null;
        }
        if self.version.since("2024-12-18") {
            fields["parent"] = invoice.subscription.as_ref().map_or(Value::Null, |id| {
                let details = json!({
                    "metadata": metadata(&invoice.subscription_metadata), "subscription": id,
                });
                json!({
                    "quote_details": null, "subscription_details": details,
                    "type": "subscription_details",
                })
            });
        }
        fields
    }

    fn invoice_tax(&self) -> Value {
        let mut tax = self.automatic_tax();
        extend(&mut tax, json!({ "provider": null, "status": null }));
        tax
    }

    fn line(&self, invoice: &Invoice, line: &Line) -> Value {
        let mut object = json!({
            "id": line.id,
            "object": "line_item",
            "amount": line.amount,
            "currency": invoice.currency,
            "description": line.description,
            "discount_amounts": [],
            "discountable": true,
            "discounts": [],
            "livemode": self.livemode,
            "metadata": {},
            "period": { "start": line.start.timestamp(), "end": line.end.timestamp() },
            "quantity": line.quantity,
        });
        if self.version.since("2025-03-31") {
            let more = json!({
                "invoice": invoice.id,
                "parent": line_parent(invoice, line),
                "pricing": pricing(line),
                "subtotal": line.amount,
                "taxes": [],
            });
            extend(&mut object, more);
        } else {
            let price = line.price.as_ref();
            let kind = if line.item.is_some() { "subscription" } else { "invoiceitem" };
            let more = json!({
                "proration": false,
                "subscription": invoice.subscription,
                "subscription_item": line.item,
                "tax_amounts": [],
                "tax_rates": [],
                "type": kind,
            });
            extend(&mut object, more);
            put(&mut object, "plan", price.map_or(Value::Null, |price| self.plan(price)));
            put(&mut object, "price", price.map_or(Value::Null, |price| self.price(price)));
        }
        object
    }

    /// An invoice item.
    #[must_use]
    pub fn invoice_item(&self, item: &InvoiceItem) -> Value {
        json!({
            "id": item.id,
            "object": "invoiceitem",
            "amount": item.amount,
            "currency": item.currency,
            "customer": item.customer,
            "date": item.created.timestamp(),
            "description": item.description,
            "discountable": true,
            "discounts": [],
            "invoice": item.invoice,
            "livemode": self.livemode,
            "metadata": {},
            "period": { "start": item.created.timestamp(), "end": item.created.timestamp() },
            "proration": false,
            "quantity": 1,
            "tax_rates": [],
            "test_clock": null,
        })
    }
}

/// What is to pay, and what was.
fn money(invoice: &Invoice) -> Value {
    let (total, due) = (invoice.total(), invoice.due());
    let paid = if invoice.status == InvoiceStatus::Paid { due } else { 0 };
    json!({
        "amount_due": due,
        "amount_paid": paid,
        "amount_remaining": due - paid,
        "amount_shipping": 0,
        "ending_balance": invoice.finalized_at.map(|_| 0),
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "total": total,
        "total_excluding_tax": total,
    })
}

/// How far it has come, and what comes next.
fn progress(invoice: &Invoice) -> Value {
    let next = invoice.next.map(|(at, _)| at);
    let next_if = |status| unix(next.filter(|_| invoice.status == status));
    json!({
        "attempt_count": invoice.attempts,
        "attempted": invoice.attempts > 0 || invoice.status == InvoiceStatus::Paid,
        "auto_advance": next.is_some(),
        "automatically_finalizes_at": next_if(InvoiceStatus::Draft),
        "effective_at": unix(invoice.finalized_at),
        "next_payment_attempt": next_if(InvoiceStatus::Open),
        "status_transitions": {
            "finalized_at": unix(invoice.finalized_at),
            "marked_uncollectible_at": unix(invoice.uncollectible_at),
            "paid_at": unix(invoice.paid_at),
            "voided_at": unix(invoice.voided_at),
        },
    })
}

fn line_parent(invoice: &Invoice, line: &Line) -> Value {
    match (&line.item, &line.invoice_item) {
        (Some(item), _) => {
            let details = json!({
                "invoice_item": null,
                "proration": false,
                "proration_details": { "credited_items": null },
                "subscription": invoice.subscription,
                "subscription_item": item,
            });
            json!({
                "invoice_item_details": null, "subscription_item_details": details,
                "type": "subscription_item_details",
            })
        }
        (None, Some(item)) => {
            let details = json!({
                "invoice_item": item, "proration": false,
                "proration_details": { "credited_items": null }, "subscription": null,
            });
            json!({
                "invoice_item_details": details, "subscription_item_details": null,
                "type": "invoice_item_details",
            })
        }
        (None, None) => Value::Null,
    }
}

fn pricing(line: &Line) -> Value {
    line.price.as_ref().map_or(Value::Null, |price| {
        json!({
            "price_details": { "price": price.id, "product": price.product },
            "type": "price_details",
            "unit_amount_decimal": price.unit_amount.to_string(),
        })
    })
}
