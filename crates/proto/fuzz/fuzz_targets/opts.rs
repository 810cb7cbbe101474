//! The facts chosen by `OPTS MLST` are those told back.
#![no_main]

use ftpdlib_proto::{Command, FactSet, NameEncoding, Verb};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|arg: &[u8]| {
    let facts = match Command::parse(Verb::Opts, arg, NameEncoding::UTF_8) {
        Ok(Command::OptsMlst(facts)) => facts,
        _ => FactSet::parse(arg),
    };
    assert_eq!(FactSet::parse(facts.format_chosen().as_bytes()), facts);
    assert_eq!(
        facts.format_feat().matches('*').count(),
        facts.format_chosen().matches(';').count()
    );
});
