//! An accepted argument of `EPRT` means the same once formatted anew.
#![no_main]

use ftpdlib_proto::parse_eprt;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|arg: &[u8]| {
    if let Ok(addr) = parse_eprt(arg) {
        let protocol = if addr.is_ipv4() { 1 } else { 2 };
        let again = format!("|{protocol}|{}|{}|", addr.ip(), addr.port());
        assert_eq!(parse_eprt(again.as_bytes()), Ok(addr));
    }
});
