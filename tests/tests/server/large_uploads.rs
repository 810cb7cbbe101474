//! Uploads that are large enough to move inside the kernel.

use std::io::Write;
use std::thread;

use ftpdlib_tests::client::reset;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::wait::wait_until;
use socket2::SockRef;

use crate::transfers::pattern;

/// Enough that the pieces take many turns and their borders fall anywhere.
const SIZE: usize = (5 << 20) + 12_345;

#[test]
fn a_large_upload_goes_on_where_a_file_ends_or_in_its_middle() {
    let server = TestServer::new();
    let mut client = server.client();
    client.expect("TYPE I", 200);
    let content = pattern(SIZE);
    client.put("STOR a", &content[..1000]);
    client.put("APPE a", &content[1000..]);
    assert!(server.content("a") == content);
    client.expect("REST 777", 350);
    client.put("STOR a", &content);
    assert!(server.content("a") == [&content[..777], &content].concat());
}

#[test]
fn what_came_before_a_reset_is_kept_and_the_next_upload_is_untouched_by_it() {
    let server = TestServer::new();
    let mut client = server.client();
    client.expect("TYPE I", 200);
    let content = pattern(SIZE);
    let mut data = client.begin("STOR a");
    data.write_all(&content[..SIZE / 2]).unwrap();
    wait_until("half of it is stored", || {
        server.content("a").len() == SIZE / 2
    });
    reset(data);
    client.expect_reply(426);
    assert!(server.content("a") == content[..SIZE / 2]);
    client.put("STOR b", &content);
    assert!(server.content("b") == content);
}

/// What is urgent is no part of the file.
#[test]
fn what_came_behind_urgent_data_was_lost_or_waited_for_ever() {
    let server = TestServer::new();
    let mut client = server.client();
    client.expect("TYPE I", 200);
    let content = pattern(SIZE);
    // The second part is more than a turn's share.
    let (before, behind) = content.split_at(SIZE / 4);
    for waits in [true, false] {
        let mut data = client.begin("STOR a");
        data.write_all(before).unwrap();
        if waits {
            wait_until("the beginning is stored", || {
                server.content("a").len() == before.len()
            });
        }
        let urgent = SockRef::from(&data).send_out_of_band(b"!");
        assert_eq!(urgent.unwrap(), 1);
        data.write_all(behind).unwrap();
        if waits {
            wait_until("the rest is stored", || server.content("a").len() == SIZE);
        }
        drop(data);
        client.expect_reply(226);
        assert!(server.content("a") == content, "waits: {waits}");
    }
}

#[test]
fn uploads_at_the_same_time_share_what_moves_them_and_no_byte() {
    let server = TestServer::new();
    let content = |number: usize| pattern(SIZE + number)[number..].to_vec();
    thread::scope(|scope| {
        for number in 0..4 {
            let mut client = server.client();
            scope.spawn(move || {
                client.expect("TYPE I", 200);
                client.put(&format!("STOR {number}"), &content(number));
            });
        }
    });
    for number in 0..4 {
        assert!(server.content(number.to_string()) == content(number));
    }
}
