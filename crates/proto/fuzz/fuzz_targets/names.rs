//! Lists of names: a quoted list gives its names back, and numbers are taken off unquoted ones.
#![no_main]

use ftpdlib_proto::{Command, NameEncoding, Verb};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|arg: &[u8]| {
    if let Ok(Command::Comb { target, parts }) =
        Command::parse(Verb::Comb, arg, NameEncoding::UTF_8)
    {
        let names: Vec<_> = [target].into_iter().chain(parts).collect();
        let mut list = Vec::new();
        for name in &names {
            quote(name, &mut list);
        }
        let again = Command::parse(Verb::Comb, &list, NameEncoding::UTF_8);
        let Ok(Command::Comb { target, parts }) = again else {
            panic!("{list:?}");
        };
        assert_eq!([target].into_iter().chain(parts).collect::<Vec<_>>(), names);
    }
    if let Ok(Command::Digest { argument, .. }) =
        Command::parse(Verb::Xcrc, arg, NameEncoding::UTF_8)
        && let Some(whole) = &argument.whole
    {
        assert!(whole.starts_with(&argument.path));
    }
    for verb in [
        Verb::SiteCopy,
        Verb::SiteSymlink,
        Verb::SiteUtime,
        Verb::Mff,
        Verb::Mdtm,
    ] {
        let _ = Command::parse(verb, arg, NameEncoding::UTF_8);
    }
});

fn quote(name: &[u8], out: &mut Vec<u8>) {
    let mut wire = Vec::new();
    NameEncoding::UTF_8.encode_name(name, &mut wire);
    out.push(b'"');
    for byte in wire {
        out.push(byte);
        if byte == b'"' {
            out.push(byte);
        }
    }
    out.extend_from_slice(b"\" ");
}
