//! Support for the benchmarks that cross crates.
#![forbid(unsafe_code)]
