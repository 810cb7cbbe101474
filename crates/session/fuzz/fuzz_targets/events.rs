//! Events in any order, chosen by the input, through the model driver of the property tests.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/model/mod.rs"]
#[expect(dead_code, reason = "the other target uses the rest")]
mod model;

fuzz_target!(|tape: &[u8]| model::play(tape));
