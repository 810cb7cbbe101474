//! Times in GMT and in local time, with and without daylight saving.
//!
//! The zone of a process is read once, so each zone is tried in a process of its own: this test
//! program again, with `TZ` set and one test chosen.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ftpdlib_tests::client::Client;
use ftpdlib_tests::server::TestServer;

/// What every way of telling a time says of a file.
fn times(client: &mut Client, name: &str) -> [String; 3] {
    let mdtm = client.expect(&format!("MDTM {name}"), 213).argument();
    let mlst = client.expect(&format!("MLST {name}"), 250).text();
    let mlsd = String::from_utf8(client.fetch("MLSD")).unwrap();
    let mlsd = mlsd
        .lines()
        .find(|line| line.ends_with(&format!(" {name}")));
    let fact = |text: &str| {
        let value = text.split("modify=").nth(1).unwrap();
        value.split(';').next().unwrap().to_owned()
    };
    let times = [mdtm, fact(&mlst), fact(mlsd.unwrap())];
    assert!(times.iter().all(|time| *time == times[0]), "{times:?}");
    times
}

fn check(gmt: bool, expected: [(&str, &str); 2]) {
    let server = TestServer::with(|handler| handler.use_gmt_times(gmt));
    server.file("winter", "");
    server.file("summer", "");
    let mut client = server.client();
    for (name, time) in expected {
        client.expect(&format!("MFMT {time} {name}"), 213);
        assert_eq!(times(&mut client, name)[0], time, "{name}");
    }
    let list = String::from_utf8(client.fetch("LIST")).unwrap();
    assert!(
        list.contains("Jan 15  2020") && list.contains("Jul 15  2020"),
        "{list}"
    );
    // Of recent times a listing shows the hour.
    let file = std::fs::File::create(server.path("recent")).unwrap();
    let yesterday = SystemTime::now() - Duration::from_secs(86_400);
    file.set_modified(yesterday).unwrap();
    let mdtm = &times(&mut client, "recent")[0];
    let shown = format!(" {}:{} recent", &mdtm[8..10], &mdtm[10..12]);
    let list = String::from_utf8(client.fetch("LIST")).unwrap();
    assert!(list.contains(&shown), "{list} {mdtm}");
    // Set as told, whatever the zone: the same moment on the disk.
    for (name, unix) in [("winter", 1_579_089_600), ("summer", 1_594_814_400)] {
        assert_eq!(modified(&server, name), unix, "{name}");
    }
}

fn modified(server: &TestServer, name: &str) -> u64 {
    let modified = server.path(name).metadata().unwrap().modified().unwrap();
    modified.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Both are half past one where it is 1 November 2020.
fn check_the_hour_that_comes_twice(gmt: bool) {
    let server = TestServer::with(|handler| handler.use_gmt_times(gmt));
    server.file("a", "");
    let mut client = server.client();
    for (time, unix) in [
        ("20201101053000", 1_604_208_600),
        ("20201101063000", 1_604_212_200),
    ] {
        client.expect(&format!("SITE UTIME a {time} {time} {time} UTC"), 200);
        assert_eq!(modified(&server, "a"), unix, "{time}");
    }
}

#[test]
#[ignore = "run by a test below, in a process with TZ set"]
fn in_this_zone() {
    check(
        true,
        [("winter", "20200115120000"), ("summer", "20200715120000")],
    );
    // Five hours behind in winter, four in summer.
    check(
        false,
        [("winter", "20200115070000"), ("summer", "20200715080000")],
    );
}

#[test]
#[ignore = "run by a test below, in a process with TZ set"]
fn utc_in_this_zone() {
    check_the_hour_that_comes_twice(true);
    check_the_hour_that_comes_twice(false);
}

#[test]
fn all_times_are_in_one_zone() {
    run_in_zone("times::in_this_zone");
}

#[test]
fn a_time_in_utc_lost_an_hour_where_local_time_repeats_one() {
    run_in_zone("times::utc_in_this_zone");
}

#[track_caller]
fn run_in_zone(test: &str) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("TZ", "EST5EDT,M3.2.0,M11.1.0")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{told}{errors}");
    assert!(told.contains("1 passed"), "{told}");
}
