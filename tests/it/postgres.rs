//! What is PostgreSQL's own: roles, poolers, standbys, and databases that cannot be used.

mod start;
mod roles;
mod servers;
