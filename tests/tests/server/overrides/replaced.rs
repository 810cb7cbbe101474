//! Directories for which there is an override stay where they are.

use std::fs;

use super::{ALL, Guarded};

#[test]
fn a_user_removed_a_directory_and_had_its_override_wherever_a_link_led() {
    let guarded = Guarded::new(&[("user", ALL, Some((ALL, true)))]);
    let directory = guarded.server.path("é");
    fs::remove_dir_all(&directory).unwrap();
    fs::create_dir(&directory).unwrap();
    let mut client = guarded.client("user");
    for commands in [
        &["RMD é"][..],
        &["RMD é/"],
        &["RMD back/é"],
        &["RMD full/../é"],
        &["XRMD é"],
        &["SITE RMDIR é"],
        &["DELE é"],
        &["RNFR é"],
        &["RNFR empty", "RNTO é"],
        &["SITE CHMOD 000 /"],
        &["MFF UNIX.mode=000; ."],
    ] {
        let got = guarded.run(&mut client, commands, b"");
        assert_eq!(got.0, 550, "{commands:?}: {}", got.1);
        assert!(got.1.contains("privileges"), "{commands:?}: {}", got.1);
    }
    for commands in [
        &["SITE SYMLINK / é"][..],
        &["MKD é"],
        &["STOR é"],
        &["APPE é"],
        &["COMB é f g"],
        &["SITE COPY f é"],
        &["CPFR f", "CPTO é"],
    ] {
        let got = guarded.run(&mut client, commands, b"");
        assert_eq!(got.0, 550, "{commands:?}: {}", got.1);
    }
    client.put("STOU é", b"content");
    assert!(!directory.is_symlink());
    assert_eq!(fs::read_dir(directory).unwrap().count(), 0);
    client.play(&[
        ("MKD é/new", 257),
        ("SITE CHMOD 700 é/new", 200),
        ("SITE CHMOD 700 é", 200),
        ("RMD é/new", 250),
        ("RMD empty", 250),
    ]);
}
