//! Sets of labels. All values are static texts: none of them can be somebody's id.

use prometheus_client::encoding::EncodeLabelSet;

macro_rules! label_sets {
    ($($(#[$doc:meta])* $name:ident { $($field:ident),+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub(super) struct $name { $(pub(super) $field: &'static str),+ }
    )+};
}

label_sets! {
    /// How something ended.
    OutcomeLabels { outcome }
    /// Where something stands in a queue.
    StateLabels { state }
    /// A stable code.
    CodeLabels { code }
    /// One kind of thing.
    KindLabels { kind }
    /// Why a line of the ledger was written.
    ReasonLabels { reason }
    /// Whose clock ours is compared with.
    AgainstLabels { against }
    /// An answered request.
    HttpLabels { method, route, status }
    /// A timed route.
    RouteLabels { route }
    /// The build.
    BuildLabels { version, engine }
}
