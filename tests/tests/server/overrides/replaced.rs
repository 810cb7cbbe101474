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
        &["SITE SYMLINK / é"],
        &["STOR é"],
        &["APPE é"],
        &["COMB é f g"],
        &["SITE COPY f é"],
        &["CPFR f", "CPTO é"],
    ] {
        let got = guarded.run(&mut client, commands, b"");
        assert_eq!(got.0, 550, "{commands:?}: {}", got.1);
        assert!(got.1.contains("privileges"), "{commands:?}: {}", got.1);
    }
    client.expect("MKD é", 550);
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

#[test]
fn a_user_put_a_link_in_the_place_of_a_directory_that_others_had_removed() {
    let guarded = Guarded::new(&[("user", ALL, Some((ALL, true)))]);
    let directory = guarded.server.path("é");
    fs::remove_dir_all(&directory).unwrap();
    let mut client = guarded.client("user");
    for commands in [
        &["SITE SYMLINK / é"][..],
        &["SITE SYMLINK empty back/é"],
        &["STOR é"],
        &["STOR way"],
        &["APPE é"],
        &["COMB é f g"],
        &["SITE COPY f é"],
        &["CPFR f", "CPTO é"],
        &["RNFR empty", "RNTO é"],
        &["RNFR f", "RNTO é"],
    ] {
        let got = guarded.run(&mut client, commands, b"");
        assert_eq!(got.0, 550, "{commands:?}: {}", got.1);
        assert!(got.1.contains("privileges"), "{commands:?}: {}", got.1);
    }
    // The name that is made is another one.
    client.put("STOU é", b"content");
    assert!(directory.symlink_metadata().is_err());
    client.play(&[("MKD é", 257), ("AVBL é", 213), ("CWD é", 250)]);
    client.put("STOU", b"content");
    client.put("STOR new", b"content");
    client.put("APPE new", b"content");
    let shown = client.expect("MLST /é", 250).text();
    assert!(shown.contains("perm=celmp;"), "{shown}");
    assert_eq!(fs::read(directory.join("new")).unwrap(), b"contentcontent");
}

#[test]
fn a_user_led_a_link_that_settings_name_elsewhere_and_shed_the_override() {
    // By way of a second link, which leads to é.
    let guarded = Guarded::by("full/indirect", &[("user", ALL, Some(("elr", true)))]);
    let mut client = guarded.client("user");
    for commands in [
        &["DELE way"][..],
        &["DELE full/indirect"],
        &["DELE back/way"],
        &["RNFR way"],
        &["RNFR full"],
        &["RNFR absolute", "RNTO way"],
        &["SITE SYMLINK empty way"],
        &["SITE CHMOD 000 full"],
        &["STOR full/indirect/new"],
    ] {
        let got = guarded.run(&mut client, commands, b"");
        assert_eq!(got.0, 550, "{commands:?}: {}", got.1);
        assert!(got.1.contains("privileges"), "{commands:?}: {}", got.1);
    }
    let shown = client.expect("MLST way", 250).text();
    assert!(shown.contains("perm=el;"), "{shown}");
    client.play(&[
        ("DELE full/x", 250),
        ("DELE absolute", 250),
        ("RNFR back", 350),
        ("RNTO front", 250),
        ("CWD way", 250),
    ]);
}
