//! The example of docs/configuration.md is a configuration that works.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};

use ftpdlib_tests::client::Client;
use ftpdlib_tests::port::free_port;
use ftpdlib_tests::program::Program;
use ftpdlib_tests::skip::skipped;
use ftpdlib_tests::wait::wait_until;
use tempfile::TempDir;

use super::alone;
use super::programs::{MODELS, PRE_FORK};

const DOCUMENT: &str = include_str!("../../../docs/configuration.md");

/// Clients over either family.
const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// The whole file of the document, with directories that are there and a port that is free.
fn example(home: &TempDir, port: u16) -> String {
    let (_, file) = DOCUMENT.rsplit_once("```toml\n").unwrap();
    let (file, _) = file.split_once("```").unwrap();
    for directory in ["alice/incoming", "pub"] {
        fs::create_dir_all(home.path().join(directory)).unwrap();
    }
    let file = file.replace("/srv/ftp", home.path().to_str().unwrap());
    file.replace(":2121\"", &format!(":{port}\""))
}

#[track_caller]
fn check_serves(port: u16, banner: &str) {
    for ip in LOOPBACK {
        wait_until("the new settings hold", || {
            let mut client = Client::open(SocketAddr::new(ip, port));
            let reply = client.next_reply().unwrap();
            // Those who asked before may not all be gone yet.
            assert!([220, 421].contains(&reply.code), "{reply:?}");
            reply.code == 220 && reply.argument() == banner
        });
    }
}

#[test]
fn the_documented_file_did_not_start() {
    let _alone = alone();
    for model in [&[][..], MODELS[0], MODELS[1]] {
        let Some(port) = free_port() else {
            return skipped("no IPv6 here");
        };
        let home = TempDir::new().unwrap();
        let file = example(&home, port);
        let mut program = Program::configured(model, &file);
        check_serves(port, "Files of example.org");
        // The same clients, by a listener for each family and by one for both.
        let both = format!("\"[::]:{port}\"]");
        let start = file.find("listen = [").unwrap();
        let end = start + file[start..].find('\n').unwrap();
        let listen = |places: &str, banner: &str| {
            let mut file = file.replace("Files of example.org", banner);
            file.replace_range(start..end, &format!("listen = [{places}"));
            file
        };
        for (file, banner) in [
            (&listen(&both, "One"), "One"),
            (&file, "Files of example.org"),
        ] {
            program.rewrite(file);
            program.signal("HUP");
            program.wait_for("configuration read again");
            check_serves(port, banner);
        }
        program.rewrite(&listen(&format!("\"0.0.0.0:{port}\"]"), "Four"));
        program.signal("HUP");
        program.wait_for("configuration read again");
        wait_until("IPv6 is off", || {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_err()
        });
        program.end_at_once();
    }
}

#[test]
fn all_of_ipv6_is_added_to_all_of_ipv4_where_other_processes_listen() {
    let _alone = alone();
    let Some(port) = free_port() else {
        return skipped("no IPv6 here");
    };
    let home = TempDir::new().unwrap();
    let file = example(&home, port);
    let v6 = format!(", \"[::]:{port}\"");
    let mut program = Program::configured(PRE_FORK, &file.replace(&v6, ""));
    assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_err());
    program.rewrite(&file);
    program.signal("HUP");
    program.wait_for(&format!("listening on [::]:{port}"));
    check_serves(port, "Files of example.org");
    program.end_at_once();
}
