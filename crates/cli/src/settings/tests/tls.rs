use super::*;

#[test]
fn any_word_of_tls_offers_it() {
    assert!(loaded("", "").tls.is_none());
    for options in [
        "--tls",
        "--tls-control-required",
        "--tls-data-required",
        "--tls-implicit",
    ] {
        assert!(loaded(options, "").tls.is_some(), "{options}");
    }
    let tls = loaded(
        "-c @/f.toml --tls-implicit",
        "[tls]\nstrict_close = false\n",
    )
    .tls;
    let tls = tls.unwrap();
    assert!(tls.implicit && !tls.strict_close && !tls.control_required);
    let tls = loaded("-c @/f.toml", "[tls]\ntls_data_required = true")
        .tls
        .unwrap();
    assert!(tls.data_required && tls.strict_close && !tls.implicit);
}

#[test]
fn certificates_are_read_before_anything_else_happens() {
    refused(
        "--certfile @/empty",
        "",
        "option --certfile: \"@/empty\" holds no certificate, expected one in PEM",
    );
    refused(
        "--tls --keyfile @/empty",
        "",
        "option --keyfile: found a private key without a certificate, expected certfile beside it",
    );
    refused(
        "-c @/f.toml",
        "[tls]\nclient_ca = \"empty\"",
        "@/f.toml:2: tls.client_ca: \"@/empty\" holds no certificate, expected one in PEM",
    );
    refused(
        "-c @/f.toml",
        "[tls]\n[[tls.more_certificates]]\ncertfile = \"missing\"",
        "@/f.toml:3: tls.more_certificates[0].certfile: cannot read \"@/missing\": No such file or \
         directory (os error 2), expected a file that can be read",
    );
}

#[test]
fn a_file_named_twice_was_blamed_on_its_first_key() {
    let made = || {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    };
    let ((a, a_key), (b, _)) = (made(), made());
    let own = "[tls]\ncertfile = \"a.crt\"\nkeyfile = \"a.key\"\n";
    let mismatch = "the private key in \"@/a.key\" does not match the certificate in \"@/b.crt\", \
                    expected the key of that certificate";
    let no_certificate = "\"@/a.key\" holds no certificate, expected one in PEM";
    for (more, expected) in [
        (
            "more_certificates = [{ certfile = \"b.crt\", keyfile = \"a.key\" }]",
            format!("4: tls.more_certificates[0].keyfile: {mismatch}"),
        ),
        (
            "more_certificates = [{ certfile = \"a.key\", keyfile = \"a.key\" }]",
            format!("4: tls.more_certificates[0].certfile: {no_certificate}"),
        ),
        (
            "more_certificates = [{ certfile = \"a.crt\", keyfile = \"a.crt\" }]",
            "4: tls.more_certificates[0].keyfile: \"@/a.crt\" holds no private key, expected one \
             in PEM, here or in a keyfile"
                .to_owned(),
        ),
        (
            "client_ca = \"a.key\"",
            format!("4: tls.client_ca: {no_certificate}"),
        ),
    ] {
        let fixture = Fixture::new(&format!("{own}{more}\n"));
        for (name, text) in [("a.crt", &a), ("a.key", &a_key), ("b.crt", &b)] {
            fs::write(fixture.0.path().join(name), text).unwrap();
        }
        let error = fixture.load("-c @/f.toml").unwrap_err();
        assert_eq!(error, format!("@/f.toml:{expected}"), "{more}");
    }
}

#[test]
fn tls_has_times() {
    let load = |toml| loaded("-c @/f.toml", toml).tls.unwrap();
    let tls = load("[tls]\n");
    assert_eq!(
        (tls.handshake_timeout, tls.reload_interval),
        (None, Duration::ZERO)
    );
    let tls = load("[tls]\nhandshake_timeout = 2.5\nreload_interval = 60\n");
    let second = Duration::from_secs(1);
    assert_eq!(tls.handshake_timeout, Some(second * 5 / 2));
    assert_eq!(tls.reload_interval, second * 60);
    let tls = load("[tls]\nhandshake_timeout = 0\nreload_interval = 0\n");
    assert_eq!(
        (tls.handshake_timeout, tls.reload_interval),
        (Some(Duration::ZERO), Duration::ZERO)
    );
}

#[test]
fn a_user_let_in_by_a_certificate_needs_an_authority() {
    let user = "[[users]]\nname = \"a\"\nhome = \"home\"\n";
    let problem = "found without tls.client_ca, expected the authority of the certificate there";
    for key in ["certificate_subject = \"CN=a\"", "certificate_name = \"a\""] {
        let (name, _) = key.split_once(' ').unwrap();
        refused(
            "-c @/f.toml",
            &format!("{user}{key}\n"),
            &format!("@/f.toml:4: users[0].{name}: {problem}"),
        );
    }
    let error = Fixture::new(&format!("{user}certificate_subject = \"a\"\n"))
        .load("-c @/f.toml")
        .unwrap_err();
    assert!(error.contains("found \"a\", expected a subject"), "{error}");
}

#[test]
fn a_word_on_client_certificates_needs_an_authority() {
    for authority in ["", "client_ca = \"\"\n"] {
        refused(
            "-c @/f.toml",
            &format!("[tls]\nclient_certificate = \"optional\"\n{authority}"),
            "@/f.toml:2: tls.client_certificate: found \"optional\" without tls.client_ca, expected \
             the authority of such certificates there",
        );
    }
}

#[test]
fn an_expired_certificate_passed_the_check() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let pem = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
    let fixture = Fixture::new("[tls]\ncertfile = \"expired\"\n");
    fs::write(fixture.0.path().join("expired"), pem).unwrap();
    let path = fixture.path();
    for (options, place) in [
        ("--certfile @/expired", "option --certfile".to_owned()),
        ("-c @/f.toml", format!("{path}/f.toml:2: tls.certfile")),
    ] {
        let settings = fixture.load(options).unwrap();
        let expected = format!(
            "{place}: \"{path}/expired\" holds a certificate that expired at \
             2021-01-01T00:00:00Z, expected one that is valid now"
        );
        assert_eq!(settings.certificate_warnings().0, [expected]);
    }
}
