//! Bytes that mean nothing, from clients that mean harm.

use std::io::{Read, Write};

use ftpdlib_tests::client::Client;
use ftpdlib_tests::server::TestServer;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Something like a command, and something like nothing.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let verb = prop::sample::select(vec![
        "USER", "PASS", "QUIT", "REIN", "CWD", "CDUP", "PWD", "TYPE", "MODE", "STRU", "PASV",
        "EPSV", "PORT", "EPRT", "RETR", "STOR", "APPE", "STOU", "REST", "ABOR", "DELE", "RNFR",
        "RNTO", "MKD", "RMD", "LIST", "NLST", "MLSD", "MLST", "STAT", "SIZE", "MDTM", "MFMT",
        "FEAT", "OPTS", "HELP", "SITE", "NOOP", "ALLO", "CLNT",
    ]);
    let argument = prop_oneof![
        Just(Vec::new()),
        "[a-c/.]{0,4}".prop_map(String::into_bytes),
        "[0-9,|]{0,20}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    let command = (verb, argument).prop_map(|(verb, argument)| {
        let mut line = verb.as_bytes().to_vec();
        if !argument.is_empty() {
            line.push(b' ');
        }
        line.extend(argument);
        line.extend_from_slice(b"\r\n");
        line
    });
    prop_oneof![
        4 => command,
        1 => prop::collection::vec(any::<u8>(), 0..50),
        1 => Just(b"\xff\xf4\xff\xf2ABOR\r\n".to_vec()),
    ]
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        // A case that hangs takes long to fail.
        max_shrink_iters: 20,
        ..Config::default()
    })
}

#[test]
fn no_bytes_on_the_control_connection_end_the_server() {
    // A transfer that was promised, and whose user has logged out, is waited for.
    let short = "0.02";
    let server = TestServer::set(&[
        ("data.passive_timeout", short),
        ("data.active_timeout", short),
    ]);
    server.file("a", "hello");
    let pieces = prop::collection::vec((piece(), any::<bool>()), 0..40);
    let run = |(pieces, logged_in): (Vec<(Vec<u8>, bool)>, bool)| {
        let mut client = if logged_in {
            server.client()
        } else {
            Client::connect(server.address())
        };
        for (bytes, at_once) in pieces {
            // It may have been thrown out already.
            if at_once {
                let _ = client.try_send(&bytes);
            } else {
                let (left, right) = bytes.split_at(bytes.len() / 2);
                let _ = client.try_send(left).and_then(|()| client.try_send(right));
            }
        }
        let _ = client.try_send(b"\r\nABOR\r\nQUIT\r\n");
        // Every answer is well-formed, and the server ends the connection.
        while client.next_reply().is_some() {}
        server.check_serves();
        Ok(())
    };
    runner(60).run(&(pieces, any::<bool>()), run).unwrap();
}

#[test]
fn no_bytes_on_the_data_connection_end_the_server() {
    let server = TestServer::new();
    server.file("a", "hello");
    let command = prop::sample::select(vec!["STOR b", "APPE b", "RETR a", "LIST", "STOU", "MLSD"]);
    let content = prop::collection::vec(any::<u8>(), 0..5000);
    let run = |(command, ascii, content, cut): (&str, bool, Vec<u8>, bool)| {
        let mut client = server.client();
        client.expect(if ascii { "TYPE A" } else { "TYPE I" }, 200);
        let mut stream = client.begin(command);
        let _ = stream.write_all(&content);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        if !cut {
            // What the server sends, up to whatever end it comes to.
            let _ = stream.read_to_end(&mut Vec::new());
        }
        drop(stream);
        let reply = client.next_reply().unwrap();
        prop_assert!([226, 426].contains(&reply.code), "{}", reply.text());
        client.play(&[("NOOP", 200), ("QUIT", 221)]);
        Ok(())
    };
    runner(60)
        .run(&(command, any::<bool>(), content, any::<bool>()), run)
        .unwrap();
    server.check_serves();
}
