//! Homes in whose place, or on the way to which, another user puts a link.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib::authorizers::{
    AuthenticationFailed, Authorizer, DummyAuthorizer, Login, LoginRequest, User,
};
use ftpdlib::filesystems::{AbstractedFs, Filesystem, MemoryFs, UnixFilesystem};
use ftpdlib::handlers::FtpHandler;
use ftpdlib::proto::{Perm, VirtualPath};
use ftpdlib::servers::FtpServerBuilder;
use ftpdlib_tests::client::Client;
use ftpdlib_tests::server::TestServer;
use tempfile::TempDir;

use super::overrides::ALL;

/// `alice` has all of the directory, `bob` what is in `a/pub`.
fn authorizer(home: &Path) -> Arc<DummyAuthorizer> {
    for name in ["a/pub", "guard/pub"] {
        fs::create_dir_all(home.join(name)).unwrap();
        fs::write(home.join(name).join("f"), name).unwrap();
    }
    let authorizer = DummyAuthorizer::new();
    let alice = User::new("alice", "12345", home).perm(ALL);
    authorizer.add_user(alice).unwrap();
    let guard = home.join("guard");
    authorizer.override_perm("alice", guard, "", true).unwrap();
    let bob = User::new("bob", "12345", home.join("a/pub"));
    authorizer.add_user(bob).unwrap();
    Arc::new(authorizer)
}

fn run(handler: FtpHandler, home: TempDir) -> TestServer {
    let handler = handler.auth_failed_timeout(Duration::ZERO);
    let builder = FtpServerBuilder::new(handler).listen((Ipv4Addr::LOCALHOST, 0));
    TestServer::run(builder, home)
}

fn bob(server: &TestServer) -> Client {
    Client::login_as("bob", "12345", server.address())
}

#[track_caller]
fn check_kept_out(server: &TestServer) {
    let mut client = Client::open(server.address());
    client.expect_reply(220);
    client.expect("USER bob", 331);
    let reply = client.expect("PASS 12345", 530);
    assert_eq!(reply.argument(), "Home directory cannot be used.");
}

#[track_caller]
fn check_links_are_not_followed(handler: impl Fn(FtpHandler) -> FtpHandler) {
    for is_in_use in [false, true] {
        let home = TempDir::new().unwrap();
        let authorizer = authorizer(home.path());
        let server = run(handler(FtpHandler::new(authorizer)), home);
        let mut alice = Client::login_as("alice", "12345", server.address());
        let before = is_in_use.then(|| bob(&server));
        for (place, link) in [("a/pub", "guard/pub"), ("a", "guard")] {
            symlink(server.path(link), server.path("link")).unwrap();
            alice.play(&[
                (&format!("RNFR {place}"), 350),
                ("RNTO old", 250),
                ("RNFR link", 350),
                (&format!("RNTO {place}"), 250),
            ]);
            check_kept_out(&server);
            alice.play(&[
                (&format!("DELE {place}"), 250),
                ("RNFR old", 350),
                (&format!("RNTO {place}"), 250),
            ]);
            let mut bob = bob(&server);
            bob.expect("TYPE I", 200);
            assert_eq!(bob.fetch("RETR f"), b"a/pub");
        }
        if let Some(mut before) = before {
            before.expect("TYPE I", 200);
            assert_eq!(before.fetch("RETR f"), b"a/pub");
        }
    }
}

#[test]
fn a_link_in_the_place_of_a_home_was_the_home_of_the_next_login() {
    check_links_are_not_followed(|handler| handler);
    check_links_are_not_followed(|handler| {
        handler.abstracted_fs(|login| Ok(Arc::new(UnixFilesystem::new(&login.home)?)))
    });
    check_links_are_not_followed(|handler| {
        handler.abstracted_fs(|login| {
            Ok(Arc::new(AbstractedFs::new(&login.home)?) as Arc<dyn Filesystem>)
        })
    });
}

#[test]
fn a_home_that_is_given_by_a_link_is_where_that_led_then() {
    let home = TempDir::new().unwrap();
    let authorizer = authorizer(home.path());
    let link = home.path().join("link");
    symlink("a", &link).unwrap();
    let add = || {
        let user = User::new("bob", "12345", link.join("pub"));
        authorizer.remove_user("bob").unwrap();
        authorizer.add_user(user).unwrap();
    };
    add();
    let server = run(FtpHandler::new(Arc::clone(&authorizer)), home);
    let check = |expected: &[u8]| {
        let mut bob = bob(&server);
        bob.expect("TYPE I", 200);
        assert_eq!(bob.fetch("RETR f"), expected);
    };
    check(b"a/pub");
    fs::remove_file(&link).unwrap();
    symlink("guard", &link).unwrap();
    check(b"a/pub");
    add();
    check(b"guard/pub");
    // A home that moves, with a link in its old place, is used again once that was read.
    fs::rename(server.path("guard"), server.path("moved")).unwrap();
    symlink("moved", server.path("guard")).unwrap();
    check_kept_out(&server);
    add();
    check(b"guard/pub");
}

/// Gives everybody a home of its own choice, which may be a link.
struct Elsewhere(DummyAuthorizer);

impl Authorizer for Elsewhere {
    fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
        let mut login = self.0.authenticate(request)?;
        login.home.push("current");
        Ok(login)
    }

    fn has_perm(&self, login: &Login, perm: Perm, path: &VirtualPath) -> bool {
        self.0.has_perm(login, perm, path)
    }
}

#[test]
fn an_authorizer_may_choose_a_link_for_a_home() {
    let home = TempDir::new().unwrap();
    fs::create_dir(home.path().join("new")).unwrap();
    fs::write(home.path().join("new/f"), "new").unwrap();
    symlink("new", home.path().join("current")).unwrap();
    let authorizer = DummyAuthorizer::new();
    let user = User::new("bob", "12345", home.path());
    authorizer.add_user(user).unwrap();
    let server = run(FtpHandler::new(Elsewhere(authorizer)), home);
    let mut bob = bob(&server);
    bob.expect("TYPE I", 200);
    assert_eq!(bob.fetch("RETR f"), b"new");
}

#[test]
fn a_filesystem_in_memory_needs_no_home_on_the_disk() {
    let home = TempDir::new().unwrap();
    let authorizer = authorizer(home.path());
    let files = MemoryFs::new();
    files.insert("/f", "memory").unwrap();
    let files: Arc<dyn Filesystem> = Arc::new(files);
    let handler = FtpHandler::new(authorizer).abstracted_fs(move |_| Ok(Arc::clone(&files)));
    let server = run(handler, home);
    fs::remove_dir_all(server.path("a")).unwrap();
    let mut bob = bob(&server);
    bob.expect("TYPE I", 200);
    assert_eq!(bob.fetch("RETR f"), b"memory");
}
