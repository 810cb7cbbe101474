//! Whatever its text, a reply is one reply. Lines of the input are the lines of the reply.
#![no_main]

use ftpdlib_proto::{NameEncoding, Reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let lines: Vec<_> = data
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    check(&Reply::multi(250, "first", lines, "last"));
    check(&Reply::bytes(250, data.to_vec()));
    check(&Reply::quoted(250, data, "suffix"));
    if let Ok(text) = str::from_utf8(data) {
        check(&Reply::paragraph(250, text));
    }
});

fn check(reply: &Reply) {
    for label in ["utf-8", "windows-1252", "gb18030"] {
        let mut wire = Vec::new();
        let encoding = NameEncoding::for_label(label).expect("the label is known");
        reply.encode(encoding, &mut wire);
        assert!(wire.ends_with(b"\r\n") && !wire.contains(&b'\0'));
        let lines: Vec<_> = wire[..wire.len() - 2]
            .split(|&byte| byte == b'\n')
            .collect();
        let (last, before) = lines.split_last().expect("splitting gives one piece");
        assert!(last.starts_with(b"250 ") && !last.contains(&b'\r'));
        for (place, line) in before.iter().enumerate() {
            assert!(line.starts_with(if place == 0 { &b"250-"[..] } else { b" " }));
            assert_eq!(
                line.iter().position(|&byte| byte == b'\r'),
                Some(line.len() - 1)
            );
        }
    }
}
