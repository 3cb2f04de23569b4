//! What Stripe says, and what of it we believe.
//!
//! A webhook goes through here in this order: [`signature`] proves who sent it, [`envelope`] reads
//! no more than its wrapping, [`door`] makes it durable. Later the inbox reads its [`topic`], its
//! object ([`snapshot`], [`objects`]) and what it names ([`links`]). Where there is a key, what it
//! tells of is asked for ([`api`]) and compared with what we know ([`difference`]).
//!
//! The structs are our own and small. They tolerate missing, null and unknown fields, since the
//! same event comes in the shape of whatever API version an endpoint was made with.

pub mod signature;
pub mod topic;
pub mod envelope;
pub mod door;
mod loose;
pub mod snapshot;
pub mod objects;
pub mod links;
pub mod api;
pub mod difference;
