//! Clients that lose the last reply of a download if they read it together with the first.

use std::io::Read;

use ftpdlib_tests::server::TestServer;

/// After these commands, each with its reply, the first reply to a RETR comes alone.
#[track_caller]
fn check(commands: &[(&str, u16)]) {
    let server = TestServer::new();
    server.file("a", "hello");
    let mut client = server.client();
    let mut control = client.second_hand();
    // A machine under load may take longer than the server waits.
    let is_alone = (0..100).any(|_| {
        let mut data = client.passive();
        client.play(commands);
        client.send("RETR a");
        let mut replies = [0; 200];
        let read = control.read(&mut replies).unwrap();
        data.read_to_end(&mut Vec::new()).unwrap();
        drop(data);
        let replies = String::from_utf8_lossy(&replies[..read]);
        assert!(replies.starts_with("150"), "{replies}");
        let is_alone = replies.lines().count() == 1;
        if is_alone {
            client.expect_reply(226);
        }
        is_alone
    });
    assert!(is_alone);
}

#[test]
fn aria2_read_the_replies_of_a_small_file_at_once_and_waited_for_the_second() {
    check(&[("TYPE I", 200), ("REST 0", 350)]);
}

/// It asks for no type, and lets go of the replies that it has when the data ends.
#[test]
fn lynx_read_the_replies_of_a_text_at_once_and_waited_for_the_second() {
    check(&[]);
}

#[test]
fn who_sends_on_after_rest_has_all_replies_in_order() {
    let server = TestServer::new();
    server.file("a", "hello");
    let mut client = server.client();
    client.expect("TYPE I", 200);
    let mut data = client.passive();
    client.send_raw(b"REST 1\r\nRETR a\r\nNOOP\r\n");
    for code in [350, 150, 226, 200] {
        client.expect_reply(code);
    }
    let mut content = String::new();
    data.read_to_string(&mut content).unwrap();
    assert_eq!(content, "ello");
}

#[test]
fn who_sends_on_after_a_text_has_all_replies_in_order() {
    let server = TestServer::new();
    server.file("a", "hello\n");
    let mut client = server.client();
    let mut data = client.passive();
    client.send_raw(b"RETR a\r\nNOOP\r\n");
    for code in [150, 226, 200] {
        client.expect_reply(code);
    }
    let mut content = String::new();
    data.read_to_string(&mut content).unwrap();
    assert_eq!(content, "hello\r\n");
}
