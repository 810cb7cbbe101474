//! The `ftpdlib` program.
fn main() {}
