//! What `LIST` lists is the end of its argument, and the whole of it is known where it is not all.
#![no_main]

use ftpdlib_proto::{Command, ListArgument, NameEncoding, Verb};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|arg: &[u8]| {
    let Ok(Command::List(ListArgument { path, whole })) =
        Command::parse(Verb::List, arg, NameEncoding::UTF_8)
    else {
        return;
    };
    let decoded = NameEncoding::UTF_8
        .decode_name(arg)
        .expect("part of it was decoded");
    match (path, whole) {
        (Some(path), Some(whole)) => {
            assert!(whole.starts_with(b"-") && whole.ends_with(&path) && path.len() < whole.len());
            assert_eq!(whole, decoded);
        }
        (None, Some(whole)) => assert_eq!(whole, decoded),
        (Some(path), None) => assert_eq!(path, decoded),
        (None, None) => assert!(arg.trim_ascii().is_empty()),
    }
});
