//! An accepted argument of `PORT` means the same once formatted anew.
#![no_main]

use ftpdlib_proto::{format_host_port, parse_host_port};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|arg: &[u8]| {
    if let Ok(addr) = parse_host_port(arg) {
        assert_eq!(parse_host_port(format_host_port(addr).as_bytes()), Ok(addr));
    }
});
