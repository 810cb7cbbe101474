//! The input as a file of certificates and keys: it is taken, or refused with a reason.
#![no_main]

use std::io::{Seek, Write};

use ftpdlib_tls::TlsSettings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    file.rewind().unwrap();
    for settings in [
        TlsSettings::default().certfile(file.path()),
        TlsSettings::default().client_ca(file.path()),
    ] {
        if let Err(error) = settings.build() {
            assert!(!error.to_string().is_empty());
        }
    }
});
