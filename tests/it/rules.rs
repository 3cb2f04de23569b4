//! Every rule of credit, end to end: what people see of it over HTTP.

mod prices;
