//! The input as command lines of a client that is logged in.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/model/mod.rs"]
#[expect(dead_code, reason = "the other target uses the rest")]
mod model;

fuzz_target!(|text: &[u8]| model::read(text));
