//! Many clients at once.

use std::io::Write;

use ftpdlib::servers::raise_descriptor_limit;
use ftpdlib_tests::client::Client;
use ftpdlib_tests::server::TestServer;

#[test]
fn two_thousand_idle_sessions_and_an_upload() {
    // Both ends are in this process; some are kept for the other tests.
    let limit = raise_descriptor_limit().unwrap();
    let sessions = usize::try_from(limit.saturating_sub(1000) / 2).unwrap_or(usize::MAX);
    let sessions = sessions.min(2000);
    let server = TestServer::build(|handler| handler, |builder| builder.max_cons(0));
    let mut clients: Vec<Client> = (0..sessions).map(|_| server.client()).collect();
    assert_eq!(server.handle().clients(), sessions);
    let mut uploader = server.client();
    let mut stream = uploader.begin("STOR a");
    for client in &mut clients {
        stream.write_all(&[b'x'; 1000]).unwrap();
        client.expect("NOOP", 200);
    }
    for client in &mut clients {
        client.send("NOOP");
    }
    stream.write_all(&[b'x'; 1000]).unwrap();
    drop(stream);
    uploader.expect_reply(226);
    assert_eq!(server.content("a").len(), (sessions + 1) * 1000);
    for client in &mut clients {
        client.expect_reply(200);
    }
}
