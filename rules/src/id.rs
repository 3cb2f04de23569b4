//! Names of things: short texts that are cheap to copy and never mixed up with each other.

use alloc::string::String;
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;

/// The longest id, in characters.
pub const ID_LENGTH_MAX: usize = 128;

/// Whether `text` can be an id: 1 to 128 characters of `A-Za-z0-9_.:@-`.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.:@-".contains(&b);
    !text.is_empty() && text.len() <= ID_LENGTH_MAX && text.bytes().all(allowed)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(from = "String", into = "String"))]
        pub struct $name(Arc<str>);

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {
            fn name() -> alloc::borrow::Cow<'static, str> {
                alloc::borrow::Cow::Borrowed(stringify!($name))
            }
        }

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                String::from(&*id.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

ids! {
    /// A workspace: the team that locks, is decided and can be distributed as one.
    WorkspaceId,
    /// One person in one workspace, by the host's own id.
    AccountId,
    /// Something built by the host's users, by the host's own id.
    AppId,
    /// A plan of the catalogue.
    PlanId,
    /// An action of the catalogue.
    ActionId,
    /// Stripe's subscription.
    SubscriptionId,
    /// Stripe's customer.
    CustomerId,
    /// One paid place of a subscription.
    SeatId,
    /// Credits outside a plan.
    GrantId,
    /// A claim of a share reward.
    RewardId,
    /// One accepted debit.
    UseId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_a_closed_alphabet() {
        for good in ["a", "user_1", "A.b:c@d-e", &"x".repeat(128)] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "a b", "a/b", "ä", "a\0", "a\n", &"x".repeat(129)] {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }
}
