use super::*;

#[track_caller]
fn check(hash: &str, expected: Option<&str>) {
    assert_eq!(with_dummy_salt(hash).as_deref(), expected, "{hash}");
}

#[test]
fn a_setting_holds_method_and_cost_of_a_hash_and_nothing_else_of_it() {
    check(
        "$y$j9T$snNuYlRTZeF4fetxkmGG1/$lB4eZnIg/epYVfQdZcNMI7TIrMNMZwS9ChI087CbD60",
        Some("$y$j9T$abcdefghijklmnopqrstu.$"),
    );
    check("$gy$j9T$salt$hash", Some("$gy$j9T$abcdefghijklmnopqrstu.$"));
    check("$6$salt$hash", Some("$6$abcdefghijklmnopqrstu.$"));
    check(
        "$6$rounds=656000$salt$hash",
        Some("$6$rounds=656000$abcdefghijklmnopqrstu.$"),
    );
    check("$1$salt$hash", Some("$1$abcdefghijklmnopqrstu.$"));
    check(
        "$2b$12$ExTrJ0yM5hCcBPOaoZTg4OTcgVi7U7TLWMzqKc4eAP1pOUn396m6m",
        Some("$2b$12$abcdefghijklmnopqrstu."),
    );
    check(
        "$7$CU..../....sp1F5yJ.nuAVwL2veZxOa.$qd7XvrEueioi",
        Some("$7$CU..../....abcdefghijklmnopqrstu.$"),
    );
    check(
        "$sha1$246550$WZFfaBsjoJs4p14.aFCO$rodfQOABo8qoCgFi",
        Some("$sha1$246550$abcdefghijklmnopqrstu.$"),
    );
    check(
        "$md5,rounds=67826$vKSyLJ4F$$6vPXJTlZQjbFyCLrq7nnS1",
        Some("$md5,rounds=67826$abcdefghijklmnopqrstu.$"),
    );
    check("$6$$hash", Some("$6$abcdefghijklmnopqrstu.$"));
    check("gAut5uq45JKAI", Some("ab"));
    check("_J9..JjJM/qG6OvV7nKk", Some("_J9..abcd"));
}

#[test]
fn what_is_no_hash_has_no_setting() {
    for hash in [
        "",
        "*",
        "!",
        "!!",
        "!*",
        "x",
        "!$6$salt$hash",
        "*LK*",
        "$",
        "$6",
        "$6$",
        "$2b$",
        "$7$short",
        "_J9",
        "$é$j9T$salt$hash",
    ] {
        check(hash, None);
    }
    assert!(is_usable("$6$salt$hash") && is_usable("gAut5uq45JKAI"));
    for hash in ["", "!", "*", "!$6$salt$hash"] {
        assert!(!is_usable(hash), "{hash}");
    }
}

/// Users of a locked account could still log in with certificates.
#[test]
fn a_locked_account_is_told_from_one_without_a_password() {
    for hash in [
        "!$6$salt$hash",
        "!!$y$j9T$salt$hash",
        "!gAut5uq45JKAI",
        "!*",
    ] {
        assert!(is_locked(hash), "{hash}");
    }
    for hash in ["", "*", "!", "!!", "*LK*", "x", "$6$salt$hash"] {
        assert!(!is_locked(hash), "{hash}");
    }
}

#[test]
fn every_method_of_a_shadow_file_counts_once() {
    let shadow = "root:*:19000:0:99999:7:::\n\
                  a:$6$one$hash:19000:0:99999:7:::\n\
                  b:$6$two$hash:19000:0:99999:7:::\n\
                  c:$y$j9T$salt$hash:19000::::::\n\
                  d:!$5$salt$hash:::::::\n\
                  broken\n\n";
    let settings: Vec<_> = settings_of(shadow.as_bytes()).into_iter().collect();
    assert_eq!(
        settings,
        [
            "$6$abcdefghijklmnopqrstu.$",
            "$y$j9T$abcdefghijklmnopqrstu.$"
        ]
    );
    let many: String = (1000..2000)
        .map(|rounds| format!("u:$5$rounds={rounds}$salt$hash::\n"))
        .collect();
    assert_eq!(settings_of(many.as_bytes()).len(), MAX_METHODS);
}

#[test]
fn one_enormous_cost_was_that_of_every_refusal() {
    for usual in [
        "$y$j9T$salt$hash",
        "$gy$jDT$salt$hash",
        "$6$salt$hash",
        "$6$rounds=656000$salt$hash",
        "$1$salt$hash",
        "$2b$14$ExTrJ0yM5hCcBPOaoZTg4OTcgVi7U7TLWMzqKc4eAP1pOUn396m6m",
        "$7$CU..../....sp1F5yJ.nuAVwL2veZxOa.$qd7XvrEueioi",
        "$sha1$246550$salt$hash",
        "$md5,rounds=67826$salt$$hash",
        "gAut5uq45JKAI",
        "_J9..jJM/qG6OvV7nKk",
    ] {
        assert!(is_affordable(&with_dummy_salt(usual).unwrap()), "{usual}");
        assert!(is_affordable(usual), "{usual}");
    }
    for enormous in [
        "$y$jFT$salt$hash",
        "$y$j9T0zzzzz$salt$hash",
        "$6$rounds=999999999$salt$hash",
        "$2b$31$ExTrJ0yM5hCcBPOaoZTg4OTcgVi7U7TLWMzqKc4eAP1pOUn396m6m",
        "$7$LU..../....sp1F5yJ.nuAVwL2veZxOa.$qd7XvrEueioi",
        "$7$CU....zzzzzsp1F5yJ.nuAVwL2veZxOa.$qd7XvrEueioi",
        "$7$Czzzzz/....sp1F5yJ.nuAVwL2veZxOa.$qd7XvrEueioi",
        "$sha1$4000000000$salt$hash",
        "$md5,rounds=4000000000$salt$$hash",
    ] {
        assert!(
            !is_affordable(&with_dummy_salt(enormous).unwrap()),
            "{enormous}"
        );
        assert!(!is_affordable(enormous), "{enormous}");
        let shadow = format!("a:{enormous}:::::::\n");
        assert!(settings_of(shadow.as_bytes()).is_empty(), "{enormous}");
    }
}

/// Until then, a refusal took one hash less than a login of such a user; with a process for each
/// client, every refusal did.
#[test]
fn methods_of_users_who_are_in_no_file_were_not_known_before_they_logged_in() {
    let Ok(hashes) = HashChecker::new([]) else {
        return;
    };
    let setting = "$6$rounds=1001$abcdefghijklmnopqrstu.$";
    assert!(!hashes.settings.read().contains(setting));
    hashes.add_method("$6$rounds=1001$salt$hash");
    hashes.add_method("$6$rounds=999999999$salt$hash");
    hashes.add_method("*");
    assert!(hashes.settings.read().contains(setting));
    let all_affordable = hashes
        .settings
        .read()
        .iter()
        .all(|known| is_affordable(known));
    assert!(all_affordable);
}

#[test]
fn one_byte_that_is_no_utf8_hid_the_whole_shadow_file() {
    let shadow = b"caf\xe9:!:19000::::::\na:$6$one$hash:19000::::::\n";
    assert_eq!(settings_of(shadow).len(), 1);
}

/// For a method whose setting the library did not accept, a refusal took no time.
#[test]
fn the_library_takes_the_settings() {
    for real in [
        "$6$saltoftests$",
        "$5$rounds=1000$saltoftests$",
        "$y$j75$saltoftests.$",
        "$gy$j75$saltoftests.$",
        "$7$20..../....saltoftests$",
        "$2b$04$ExTrJ0yM5hCcBPOaoZTg4O",
        "$sha1$1000$saltoftests$",
        "$md5,rounds=10$saltoftests$",
        "$1$saltofte$",
        "_J9..JjJM",
        "gA",
    ] {
        let hash = match crypt("sesame", real) {
            Ok(Some(hash)) => hash,
            // An older library knows fewer methods.
            Ok(None) => continue,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::NotFound);
                return;
            }
        };
        let setting = with_dummy_salt(&hash).unwrap();
        let of_nobody = crypt("sesame", &setting).unwrap();
        let of_nobody = of_nobody.unwrap_or_else(|| panic!("{setting} for {real}"));
        assert_ne!(of_nobody, hash);
        assert_eq!(with_dummy_salt(&of_nobody), Some(setting));
    }
}
