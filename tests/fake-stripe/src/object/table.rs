//! Objects of one kind, in the order in which they were made.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Something with an id.
pub trait Object: Clone {
    /// Stripe's id.
    fn id(&self) -> &str;
}

/// Objects by their ids. A copy of one is cheap, so that events can keep what they tell of.
#[derive(Debug, Clone)]
pub struct Table<T> {
    rows: BTreeMap<u64, Arc<T>>,
    numbers: HashMap<String, u64>,
    last: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), numbers: HashMap::new(), last: 0 }
    }
}

impl<T: Object> Table<T> {
    /// Adds an object, or replaces the one of that id.
    pub fn put(&mut self, object: T) -> Arc<T> {
        let object = Arc::new(object);
        let last = &mut self.last;
        let number = self.numbers.entry(object.id().to_owned()).or_insert_with(|| {
            *last += 1;
            *last
        });
        self.rows.insert(*number, Arc::clone(&object));
        object
    }

    /// The object of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<T>> {
        self.rows.get(self.numbers.get(id)?)
    }

    /// The object of this id, to be changed. Copies held elsewhere stay as they are.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.rows.get_mut(self.numbers.get(id)?).map(Arc::make_mut)
    }

    /// Removes an object.
    pub fn remove(&mut self, id: &str) -> Option<Arc<T>> {
        self.rows.remove(&self.numbers.remove(id)?)
    }

    /// All, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<T>> {
        self.rows.values()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

macro_rules! objects {
    ($($kind:ty),+ $(,)?) => {
        $(impl Object for $kind {
            fn id(&self) -> &str {
                &self.id
            }
        })+
    };
}

objects! {
    super::Customer, super::PaymentMethod, super::Product, super::Price, super::TestClock,
    super::InvoiceItem, super::CheckoutSession, super::Invoice, super::Schedule,
    super::Subscription, crate::event::Event,
}
