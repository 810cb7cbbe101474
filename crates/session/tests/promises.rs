//! Whatever happens, in whatever order, a session keeps its promises.

mod model;

use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        // What is found becomes a test with a name.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn promises_are_kept_whatever_happens(tape in vec(any::<u8>(), 0..600)) {
        model::play(&tape);
    }

    #[test]
    fn promises_are_kept_whatever_is_sent(
        lines in vec(
            prop_oneof![
                "(USER|PASS|CWD|RETR|STOR|LIST|STAT|REST|TYPE|MKD|RNFR|RNTO|SITE|OPTS) .{0,20}",
                "(PASV|EPSV|ABOR|QUIT|REIN|STAT|LIST|NOOP|STOU|FEAT)",
                ".{0,40}",
            ],
            0..40,
        ),
    ) {
        model::read(lines.join("\n").as_bytes());
    }
}
