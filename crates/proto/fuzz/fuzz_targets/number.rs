//! The arguments that hold numbers: `REST`, `EPSV`, `SITE CHMOD`.
#![no_main]

use ftpdlib_proto::{Command, NameEncoding, Verb};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|arg: &[u8]| {
    let parse = |verb| Command::parse(verb, arg, NameEncoding::UTF_8);
    let text = arg.trim_ascii();
    let number = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    match parse(Verb::Rest) {
        Ok(Command::Rest(offset)) => assert_eq!(Some(offset), number),
        Ok(other) => panic!("{other:?}"),
        Err(_) => assert!(number.is_none() || text.starts_with(b"+")),
    }
    if let Ok(Command::SiteChmod { mode, .. }) = parse(Verb::SiteChmod) {
        assert!(mode <= 0o7777);
    }
    let _ = parse(Verb::Epsv);
});
