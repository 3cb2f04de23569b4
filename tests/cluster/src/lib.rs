//! PostgreSQL servers and poolers that tests start for themselves: on 127.0.0.1, in a directory of
//! their own, as a user without rights, and ended with the test process, however that ends.

mod server;
mod cluster;
mod bouncer;
mod archive;

pub use archive::Archive;
pub use bouncer::Bouncer;
pub use cluster::{Cluster, Database, Durability, Version};
