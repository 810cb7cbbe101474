//! STOU beside directories for which there is an override.

use std::fs;
use std::net::Ipv4Addr;

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::handlers::FtpHandler;
use ftpdlib::servers::FtpServerBuilder;
use ftpdlib_tests::client::Client;
use ftpdlib_tests::server::TestServer;
use tempfile::TempDir;

#[test]
fn a_directory_whose_name_begins_a_unique_one_lent_it_its_override() {
    let home = TempDir::new().unwrap();
    let authorizer = DummyAuthorizer::new();
    let user = User::new("user", "secret", home.path()).perm("elr");
    authorizer.add_user(user).unwrap();
    for name in ["in", "in.", "ftpd."] {
        let directory = home.path().join(name);
        fs::create_dir(&directory).unwrap();
        authorizer
            .override_perm("user", directory, "elrw", true)
            .unwrap();
    }
    let builder = FtpServerBuilder::new(FtpHandler::new(authorizer));
    let server = TestServer::run(builder.listen((Ipv4Addr::LOCALHOST, 0)), home);
    let mut client = Client::login_as("user", "secret", server.address());
    for command in [
        "STOU",
        "STOU in",
        "STOU in.",
        "STOU in/",
        "STOU in./../in",
        "STOU x",
    ] {
        let _stream = client.passive();
        client.expect(command, 550);
    }
    assert_eq!(fs::read_dir(server.home()).unwrap().count(), 3);
    client.put("STOU in./in", b"content");
    client.expect("CWD in.", 250);
    client.put("STOU", b"content");
    assert_eq!(fs::read_dir(server.path("in.")).unwrap().count(), 2);
}
