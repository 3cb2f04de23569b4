//! Every rule of credit, end to end: what people see of it over HTTP.

mod prices;
mod boundaries;
mod free_plan;
mod changes;
mod standing;
mod seats;
mod transfers;
mod order;
mod grants;
mod run_out;
mod keys;
mod books;
