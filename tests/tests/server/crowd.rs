//! Many clients at once.

use std::io::Write;

use ftpdlib::servers::Concurrency;
use ftpdlib::servers::process::raise_descriptor_limit;
use ftpdlib_tests::client::{Client, read_all};
use ftpdlib_tests::models;
use ftpdlib_tests::server::TestServer;

#[test]
fn a_crowd_of_idle_sessions_and_an_upload() {
    // Both ends are in this process; some are kept for the other tests.
    let limit = raise_descriptor_limit().unwrap();
    let sessions = usize::try_from(limit.saturating_sub(1000) / 2).unwrap_or(usize::MAX);
    // A container may not have two thousand threads to give.
    let most = match models::processes() {
        None if matches!(models::chosen(), Concurrency::Async { .. }) => 2000,
        _ => 300,
    };
    let sessions = sessions.min(most);
    let server = TestServer::set(&[("server.max_cons", "0")]);
    let mut clients: Vec<Client> = (0..sessions).map(|_| server.client()).collect();
    if models::processes().is_none() {
        assert_eq!(server.handle().clients(), sessions);
    }
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

#[test]
fn three_hundred_clients_transfer_at_once() {
    const CLIENTS: usize = 300;
    raise_descriptor_limit().unwrap();
    let server = TestServer::set(&[("server.max_cons", "0")]);
    server.file("big", vec![b'x'; 100_000]);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.client()).collect();
    let begin = |(number, client): (usize, &mut Client)| client.begin(&format!("STOR {number}"));
    let streams: Vec<_> = clients.iter_mut().enumerate().map(begin).collect();
    for (number, mut stream) in streams.into_iter().enumerate() {
        stream.write_all(number.to_string().as_bytes()).unwrap();
    }
    for client in &mut clients {
        client.expect_reply(226);
    }
    for number in 0..CLIENTS {
        let name = number.to_string();
        assert_eq!(server.content(&name), name.as_bytes());
    }
    let streams: Vec<_> = clients
        .iter_mut()
        .map(|client| client.begin("RETR big"))
        .collect();
    for (client, stream) in clients.iter_mut().zip(streams) {
        assert_eq!(read_all(stream).len(), 100_000);
        client.expect_reply(226);
        client.expect("QUIT", 221);
    }
}
