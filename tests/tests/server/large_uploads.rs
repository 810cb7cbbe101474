//! Uploads that are large enough to move inside the kernel.

use std::io::Write;
use std::thread;

use ftpdlib_tests::client::reset;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::wait::wait_until;

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
