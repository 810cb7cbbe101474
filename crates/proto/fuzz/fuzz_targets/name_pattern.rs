//! Any bytes are a pattern or none, and a pattern of a name with everything protected is that name.
#![no_main]

use ftpdlib_proto::NamePattern;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (pattern, name) = input;
    if let Some(pattern) = NamePattern::new(pattern) {
        let _ = pattern.matches(name);
    }
    let protected: Vec<u8> = name
        .iter()
        .flat_map(|&byte| {
            let special = b"*?[\\".contains(&byte);
            special.then_some(b'\\').into_iter().chain([byte])
        })
        .collect();
    if let Some(pattern) = NamePattern::new(&protected) {
        assert!(pattern.matches(name));
    }
});
