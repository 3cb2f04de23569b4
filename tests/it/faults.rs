//! What goes wrong around the daemon: disks, locks, load, signals and whoever sends nonsense.

mod disk;
mod load;
mod nonsense;
pub(crate) mod start;
