//! Time values round trip, and no instant is out of range.
#![no_main]

use ftpdlib_proto::{CivilTime, Zone};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(time) = CivilTime::parse_compact(data) {
        let mut text = Vec::new();
        time.format_compact(&mut text);
        assert_eq!(text, data[..14]);
        // A leap second is the same instant as the second after it.
        if time.second < 60 {
            assert_eq!(CivilTime::from_unix(time.to_unix()), time);
        }
    }
    if let Some(&bytes) = data.first_chunk() {
        let unix = i64::from_le_bytes(bytes);
        let time = CivilTime::from_unix(unix);
        assert_eq!(time.to_unix(), unix);
        assert!((1..=12).contains(&time.month) && (1..=31).contains(&time.day));
        for zone in [Zone::Local(|_| i32::MIN), Zone::Local(|_| i32::MAX)] {
            zone.unix(zone.civil(unix));
        }
    }
});
