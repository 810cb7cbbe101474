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
fn tls_has_times() {
    let load = |toml| loaded("-c @/f.toml", toml).tls.unwrap();
    let tls = load("[tls]\n");
    assert_eq!((tls.handshake_timeout, tls.reload_interval), (None, None));
    let tls = load("[tls]\nhandshake_timeout = 2.5\nreload_interval = 60\n");
    let second = Duration::from_secs(1);
    assert_eq!(tls.handshake_timeout, Some(Some(second * 5 / 2)));
    assert_eq!(tls.reload_interval, Some(second * 60));
    let tls = load("[tls]\nhandshake_timeout = 0\nreload_interval = 0\n");
    assert_eq!(
        (tls.handshake_timeout, tls.reload_interval),
        (Some(None), None)
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
