//! What is mounted below a home directory, in a mount namespace of its own: for root only.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use ftpdlib::filesystems::{AbstractedFs, Filesystem};
use ftpdlib_tests::server::TestServer;
use tempfile::TempDir;

/// Runs a test of this file that is ignored otherwise, where the system allows it.
#[track_caller]
fn apart(test: &str) {
    let is_possible = Command::new("unshare")
        .args(["--mount", "test", "-w", "/dev/fuse"])
        .stderr(Stdio::null())
        .status();
    if !is_possible.is_ok_and(|status| status.success()) {
        return;
    }
    // The child cannot remove what it has mounted something in. With it go its mounts.
    let scratch = TempDir::new().unwrap();
    let child = Command::new("unshare")
        .env("TMPDIR", scratch.path())
        .arg("--mount")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{told}{errors}");
    assert!(told.contains("1 passed"), "{told}");
    scratch.close().unwrap();
}

#[track_caller]
fn mount(kind: &str, options: &str, device: Stdio, place: &Path) {
    fs::create_dir_all(place).unwrap();
    let mounted = Command::new("mount")
        .args(["-i", "-t", kind, "-o", options, "test"])
        .arg(place)
        .stdin(device)
        .status()
        .unwrap();
    assert!(mounted.success(), "{kind}");
}

/// Mounts a filesystem whose server never answers, as long as what this answers is held.
fn mount_hung(place: &Path) -> File {
    let mut options = File::options();
    let device = options.read(true).write(true).open("/dev/fuse").unwrap();
    let given = device.try_clone().unwrap();
    let options = "fd=0,rootmode=40000,user_id=0,group_id=0";
    mount("fuse", options, given.into(), place);
    device
}

#[test]
#[ignore = "run by the test below, in a mount namespace of its own"]
fn with_a_directory_renamed() {
    let scratch = TempDir::new().unwrap();
    let home = |name: &str| AbstractedFs::new(scratch.path().join(name)).unwrap();
    fs::create_dir(scratch.path().join("before")).unwrap();
    if !home("before").is_local() {
        return;
    }
    let device = mount_hung(&scratch.path().join("before/nas"));
    assert!(!home("before").is_local());
    fs::rename(scratch.path().join("before"), scratch.path().join("after")).unwrap();
    assert!(!home("after").is_local());
    fs::create_dir(scratch.path().join("before")).unwrap();
    assert!(home("before").is_local());
    drop(device);
}

#[test]
fn a_mount_was_looked_for_where_it_was_before_a_directory_above_it_was_renamed() {
    apart("mounts::with_a_directory_renamed");
}

#[test]
#[ignore = "run by the test below, in a mount namespace of its own"]
fn with_mounts_below() {
    let server = TestServer::new();
    let home = AbstractedFs::new(server.home()).unwrap();
    if !home.is_local() {
        // The temporary directory is on no local disk.
        return;
    }
    mount("tmpfs", "size=1m", Stdio::null(), &server.path("tmp"));
    assert!(home.is_local(), "with a filesystem in memory below");
    let device = mount_hung(&server.path("na s"));
    assert!(!home.is_local(), "with one that hangs below");
    fs::create_dir(server.path("beside")).unwrap();
    let beside = AbstractedFs::new(server.path("beside")).unwrap();
    assert!(beside.is_local());

    let mut stuck = Vec::new();
    for line in ["MLST na s", "SIZE na s/file", "CWD na s", "STAT /"] {
        let mut client = server.client();
        client.expect("TYPE I", 200);
        client.send(line);
        stuck.push(client);
    }
    // Enough for every loop.
    let mut others: Vec<_> = (0..8).map(|_| server.client()).collect();
    for other in &mut others {
        other.play(&[("NOOP", 200), ("CWD tmp", 250), ("PWD", 257)]);
    }
    server.check_serves();
    drop(device);
    for client in &mut stuck {
        assert!(client.next_reply().is_some());
    }
}

#[test]
fn a_mount_that_hung_below_a_local_home_held_up_every_client() {
    apart("mounts::with_mounts_below");
}
