//! The input as what a proxy sends before anything else: the pieces in which it comes change
//! nothing.
#![no_main]

use ftpdlib_handlers::{ProxiedClient, ProxyHeaderStep};
use libfuzzer_sys::fuzz_target;

/// No header is longer, whatever its own length says.
const LONGEST: usize = 4096;

/// Whom the bytes name and how many of them the header has; `None` is a refusal.
fn read(bytes: &[u8], largest_piece: usize) -> Option<(Option<ProxiedClient>, usize)> {
    let mut taken = 0;
    loop {
        match ProxyHeaderStep::after(&bytes[..taken]).ok()? {
            ProxyHeaderStep::Complete(named) => return Some((named, taken)),
            ProxyHeaderStep::More(missing) => {
                assert!(missing > 0 && taken + missing <= LONGEST);
                if taken == bytes.len() {
                    return None;
                }
                taken = bytes.len().min(taken + missing.min(largest_piece));
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    assert_eq!(read(bytes, LONGEST), read(bytes, 1));
});
