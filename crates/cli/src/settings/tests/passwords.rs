//! The password of `--username`.

use super::*;

#[test]
fn a_hash_as_password_was_blamed_on_an_option_that_nobody_gave() {
    const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";
    let fixture = Fixture::new("");
    let environment = Environment {
        password: Some(HASH.into()),
        ..Environment::default()
    };
    fs::write(Path::new(fixture.path()).join("hash"), HASH).unwrap();
    for (options, place) in [
        (format!("-u bob -P {HASH}"), "option --password"),
        (
            "-u bob --password-file @/hash".to_owned(),
            "option --password-file",
        ),
        ("-u bob".to_owned(), "variable FTPDLIB_PASSWORD"),
    ] {
        let error = fixture.load_with(&options, &environment).unwrap_err();
        let expected = "expected a plain one, or password_hash in a file";
        assert!(error.starts_with(&format!("{place}: ")), "{error}");
        assert!(error.ends_with(expected), "{error}");
    }
}
