//! Certificates: those of clients that log in by them, and those of the server that change.

use std::fs;
use std::path::Path;
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
    fs::write(home.path().join("ca.pem"), authority.pem()).unwrap();
    let handler = handler(home.path(), asked, "CN=alice");
    let builder = FtpServerBuilder::new(handler).listen(([127, 0, 0, 1], 0));
    TestServer::run(builder, home)
}

/// Its handler, if `alice` is the subject of the certificates that let that user in.
#[track_caller]
fn handler(home: &Path, asked: ClientCertificate, alice: &str) -> TlsFtpHandler {
    let authorizer = DummyAuthorizer::new();
    let alice = User::with_certificate("alice", home).certificate_subject(alice.parse().unwrap());
    authorizer.add_user(alice).unwrap();
    let other = User::new(USER.0, USER.1, home).perm("elradfmwMT");
    authorizer.add_user(other).unwrap();
    let handler = FtpHandler::new(authorizer).auth_failed_timeout(Duration::from_millis(1));
    TlsFtpHandler::new(handler)
        .client_ca(home.join("ca.pem"))
        .client_certificate(asked)
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
fn a_withdrawn_certificate_let_its_owner_in_by_a_connection_from_before_that() {
    let authority = Authority::new();
    for version in VERSIONS {
        let server = server(&authority, ClientCertificate::Optional);
        let alice = config_showing(version, &authority.sign("alice"));
        let open = || {
            let mut client = TlsClient::explicit(server.address(), &alice);
            client.expect("NOOP", 200);
            client
        };
        let (mut asking, mut kept, mut logged_in) = (open(), open(), open());
        logged_in.expect("USER alice", 232);
        let renewed = handler(server.home(), ClientCertificate::Optional, "CN=nobody");
        server.handle().set_handler(renewed).unwrap();
        wait_until("nobody is let in any more who has just connected", || {
            asking.send("USER alice");
            asking.next_reply().unwrap().code == 421
        });
        logged_in.play(&[("PWD", 257), ("REIN", 220)]);
        for client in [&mut kept, &mut logged_in] {
            client.expect("USER alice", 421);
            assert!(client.next_reply().is_none());
        }
        open().play(&[("USER alice", 331), ("PASS x", 530)]);
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
