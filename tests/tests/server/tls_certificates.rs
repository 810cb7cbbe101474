//! Certificates: those of clients that log in by them, and those of the server that change.

use std::fs;
use std::time::Duration;

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::handlers::{FtpHandler, TlsFtpHandler};
use ftpdlib::servers::FtpServerBuilder;
use ftpdlib::tls::ClientCertificate;
use ftpdlib_tests::client::USER;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::tls::{
    Authority, TlsClient, VERSIONS, config, config_showing, renew_certificate, shown_certificate,
};
use ftpdlib_tests::wait::wait_until;
use tempfile::TempDir;

/// A server that asks for certificates of `authority`, with a user whom only those of "alice" let
/// in, and one with a password.
#[track_caller]
fn server(authority: &Authority, asked: ClientCertificate) -> TestServer {
    let home = TempDir::new().unwrap();
    let ca = home.path().join("ca.pem");
    fs::write(&ca, authority.pem()).unwrap();
    let authorizer = DummyAuthorizer::new();
    let alice = User::with_certificate("alice", home.path())
        .certificate_subject("CN=alice".parse().unwrap());
    authorizer.add_user(alice).unwrap();
    let other = User::new(USER.0, USER.1, home.path()).perm("elradfmwMT");
    authorizer.add_user(other).unwrap();
    let handler = FtpHandler::new(authorizer).auth_failed_timeout(Duration::from_millis(1));
    let handler = TlsFtpHandler::new(handler)
        .client_ca(ca)
        .client_certificate(asked);
    let builder = FtpServerBuilder::new(handler).listen(([127, 0, 0, 1], 0));
    TestServer::run(builder, home)
}

#[test]
fn a_certificate_lets_its_owner_in_without_a_password() {
    let authority = Authority::new();
    for asked in [ClientCertificate::Required, ClientCertificate::Optional] {
        let server = server(&authority, asked);
        server.file("file", b"content");
        for version in VERSIONS {
            let alice = config_showing(version, &authority.sign("alice"));
            let mut client = TlsClient::explicit(server.address(), &alice);
            client.play(&[("USER alice", 232), ("PBSZ 0", 200), ("PROT P", 200)]);
            assert_eq!(client.download("file"), b"content", "{version:?}");
            // Somebody else's account is not hers.
            client.play(&[(&format!("USER {}", USER.0), 331), ("PWD", 530)]);
            client.play(&[("PASS wrong", 530), ("USER alice", 232)]);
            let bob = config_showing(version, &authority.sign("bob"));
            let mut client = TlsClient::explicit(server.address(), &bob);
            client.play(&[("USER alice", 331), ("PASS x", 530), ("PWD", 530)]);
        }
    }
}

#[test]
fn without_a_good_certificate_there_is_no_connection() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = server(&authority, ClientCertificate::Required);
    for version in VERSIONS {
        let refused = [
            ("none", config(version)),
            (
                "expired",
                config_showing(version, &authority.sign_expired("alice")),
            ),
            ("foreign", config_showing(version, &stranger.sign("alice"))),
        ];
        for (what, config) in refused {
            let mut client = TlsClient::explicit(server.address(), &config);
            client.expect_refusal();
            let alice = config_showing(version, &authority.sign("alice"));
            let mut client = TlsClient::explicit(server.address(), &alice);
            client.play(&[("USER alice", 232), ("QUIT", 221)]);
            assert!(!what.is_empty());
        }
    }
}

#[test]
fn where_certificates_are_optional_none_will_do_and_a_wrong_one_will_not() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = server(&authority, ClientCertificate::Optional);
    for version in VERSIONS {
        let mut client = TlsClient::login(server.address(), &config(version));
        client.play(&[("USER alice", 331), ("PASS ", 530)]);
        let foreign = config_showing(version, &stranger.sign("alice"));
        TlsClient::explicit(server.address(), &foreign).expect_refusal();
        let expired = config_showing(version, &authority.sign_expired("alice"));
        TlsClient::explicit(server.address(), &expired).expect_refusal();
    }
}

#[test]
fn new_certificates_are_for_new_sessions() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("cert.pem");
    let first = renew_certificate(&path);
    let server = TestServer::with(|handler| {
        TlsFtpHandler::new(handler)
            .certfile(&path)
            .reload_interval(Duration::from_millis(10))
            .into()
    });
    server.file("file", b"content");
    let address = server.address();
    let config = config(VERSIONS[1]);
    let mut old = TlsClient::login(address, &config);
    assert_eq!(old.server_certificate(), first);
    let second = renew_certificate(&path);
    wait_until("the new certificate", || {
        shown_certificate(address, &config) == second
    });
    assert_eq!(old.download("file"), b"content");
    // What cannot be used changes nothing, and what can be used later still does.
    fs::write(&path, "no certificate").unwrap();
    assert_eq!(shown_certificate(address, &config), second);
    let third = renew_certificate(&path);
    wait_until("the next certificate", || {
        shown_certificate(address, &config) == third
    });
    assert_eq!(old.download("file"), b"content");
}
