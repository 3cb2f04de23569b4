//! Whether stored state keeps the rules (R18).
