//! Every disk name comes back from the wire, in every encoding; no wire bytes make decoding panic.
#![no_main]

use ftpdlib_proto::NameEncoding;
use libfuzzer_sys::fuzz_target;

const LABELS: [&str; 16] = [
    "utf-8",
    "windows-1252",
    "shift_jis",
    "gbk",
    "gb18030",
    "big5",
    "euc-jp",
    "euc-kr",
    "ibm866",
    "iso-8859-8",
    "koi8-u",
    "macintosh",
    "windows-874",
    "windows-1255",
    "windows-1258",
    "x-mac-cyrillic",
];

fuzz_target!(|data: &[u8]| {
    let Some((&choice, bytes)) = data.split_first() else {
        return;
    };
    let label = LABELS[usize::from(choice) % LABELS.len()];
    let encoding = NameEncoding::for_label(label).expect("the label is known");
    check(encoding, bytes);
    if let Ok(disk) = encoding.decode_name(bytes) {
        check(encoding, &disk);
    }
    let _ = encoding.decode_text(bytes);
});

fn check(encoding: NameEncoding, disk: &[u8]) {
    let mut wire = Vec::new();
    encoding.encode_name(disk, &mut wire);
    assert!(
        !wire
            .iter()
            .any(|byte| matches!(byte, b'\0' | b'\r' | b'\n'))
    );
    assert_eq!(encoding.decode_name(&wire).as_deref(), Ok(disk));
}
