//! Products and prices.

use super::Stripe;
use crate::event::Subject;
use crate::fault::Fault;
use crate::object::{Metadata, Price, Product, Subscription};
use crate::request::{MetadataChange, NewPrice, Patch, merge};
use std::sync::Arc;

/// What is changed of a product or a price.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CatalogueChange {
    /// A product's name.
    pub name: Option<String>,
    /// Whether it is sold.
    pub active: Option<bool>,
    /// A price's lookup key.
    pub lookup_key: Patch<String>,
    /// A price's nickname, or a product's description.
    pub nickname: Patch<String>,
    /// Metadata to be set.
    pub metadata: MetadataChange,
}

impl Stripe {
    /// Makes a product; its id is drawn where none is given.
    pub fn create_product(
        &mut self, id: Option<String>, name: &str, metadata: Metadata,
    ) -> Arc<Product> {
        let product = Product {
            id: id.unwrap_or_else(|| self.seed.id("prod")),
            created: self.now,
            name: name.to_owned(),
            description: None,
            active: true,
            metadata,
        };
        let product = self.products.put(product);
        self.emit(self.now, "product.created", Subject::Product(Arc::clone(&product)), None);
        product
    }

    /// Changes a product.
    ///
    /// # Errors
    /// When it is not there.
    pub fn update_product(
        &mut self, id: &str, change: CatalogueChange,
    ) -> Result<Arc<Product>, Fault> {
        let missing = || Fault::missing("product", id);
        let before = self.products.get(id).cloned().ok_or_else(missing)?;
        let product = self.products.get_mut(id).ok_or_else(missing)?;
        product.name = change.name.unwrap_or_else(|| product.name.clone());
        product.active = change.active.unwrap_or(product.active);
        change.nickname.apply(&mut product.description);
        merge(&mut product.metadata, &change.metadata);
        let after = self.products.get(id).cloned().ok_or_else(missing)?;
        if before != after {
            let subject = Subject::Product(Arc::clone(&after));
            self.emit(self.now, "product.updated", subject, Some(Subject::Product(before)));
        }
        Ok(after)
    }

    /// Deletes a product, which no price may be of.
    ///
    /// # Errors
    /// When it is not there, or has prices.
    pub fn delete_product(&mut self, id: &str) -> Result<(), Fault> {
        if self.prices.iter().any(|price| price.product == id) {
            let message = "This product cannot be deleted because it has one or more user-created \
                           prices.";
            return Err(Fault::invalid(message));
        }
        let product = self.products.remove(id).ok_or_else(|| Fault::missing("product", id))?;
        self.emit(self.now, "product.deleted", Subject::Product(product), None);
        Ok(())
    }

    /// Makes a price, and a product for it where none is named.
    ///
    /// # Errors
    /// When its product is not there, or its id or lookup key is taken.
    pub fn create_price(&mut self, new: NewPrice) -> Result<Arc<Price>, Fault> {
        if let Some(id) = new.id.as_deref().filter(|id| self.prices.get(id).is_some()) {
            return Err(Fault::param("id", format!("Price already exists: '{id}'")));
        }
        if let Some(key) = &new.lookup_key
            && self.prices.iter().any(|price| price.lookup_key.as_ref() == Some(key))
        {
            let message = format!("A price already uses the lookup key '{key}'");
            return Err(Fault::param("lookup_key", message));
        }
        let product = match new.product {
            Some(id) if self.products.get(&id).is_none() => {
                return Err(Fault::missing_param("product", "product", &id));
            }
            Some(id) => id,
            None => self.create_product(None, "product", Metadata::new()).id.clone(),
        };
        let price = Price {
            id: new.id.unwrap_or_else(|| self.seed.id("price")),
            created: self.now,
            product,
            active: true,
            currency: new.currency,
            unit_amount: new.unit_amount,
            recurring: new.recurring,
            lookup_key: new.lookup_key,
            nickname: new.nickname,
            metadata: new.metadata,
        };
        let price = self.prices.put(price);
        self.emit(self.now, "price.created", Subject::Price(Arc::clone(&price)), None);
        Ok(price)
    }

    /// Changes a price. Subscriptions show it as it is then, and nothing is told of them.
    ///
    /// # Errors
    /// When it is not there.
    pub fn update_price(&mut self, id: &str, change: CatalogueChange) -> Result<Arc<Price>, Fault> {
        let missing = || Fault::missing("price", id);
        let before = self.prices.get(id).cloned().ok_or_else(missing)?;
        let price = self.prices.get_mut(id).ok_or_else(missing)?;
        price.active = change.active.unwrap_or(price.active);
        change.lookup_key.apply(&mut price.lookup_key);
        change.nickname.apply(&mut price.nickname);
        merge(&mut price.metadata, &change.metadata);
        let after = self.prices.get(id).cloned().ok_or_else(missing)?;
        if before != after {
            let holds = |sub: &Subscription| sub.items.iter().any(|item| item.price.id == id);
            let holders = self.subscriptions.iter().filter(|sub| holds(sub));
            for holder in holders.map(|sub| sub.id.clone()).collect::<Vec<_>>() {
                let items = self.subscriptions.get_mut(&holder).map(|sub| &mut sub.items);
                for item in items.into_iter().flatten().filter(|item| item.price.id == id) {
                    item.price = Arc::clone(&after);
                }
            }
            let subject = Subject::Price(Arc::clone(&after));
            self.emit(self.now, "price.updated", subject, Some(Subject::Price(before)));
        }
        Ok(after)
    }

    /// A price that a subscription can hold.
    pub(super) fn recurring_price(&self, id: &str) -> Result<Arc<Price>, Fault> {
        let found = self.prices.get(id).cloned();
        let price = found.ok_or_else(|| Fault::missing_param("items[0][price]", "price", id))?;
        match price.recurring {
            Some(_) => Ok(price),
            None => Err(Fault::param(
                "items",
                format!(
                    "The price specified is set to `type=one_time` but this field only accepts \
                     prices with `type=recurring`: '{id}'"
                ),
            )),
        }
    }
}
