//! A directory that is repeatedly swapped for a link that leaves, during every operation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

const ROUNDS: usize = 400;

/// The swapped directory contains the same names as the outside, so that every operation either
/// succeeds inside or is refused.
fn check_swapped(resolver: Resolver) {
    let scene = Scene::new();
    fs::write(scene.home("d/canary"), "inside").unwrap();
    fs::create_dir(scene.home("d/dir")).unwrap();
    scene.link("../outside", "link");
    let fs = scene.open(resolver);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let rename = |from, to| fs::rename(scene.home(from), scene.home(to)).unwrap();
            while !done.load(Ordering::Relaxed) {
                rename("d", "away");
                rename("link", "d");
                rename("d", "link");
                rename("away", "d");
            }
        });
        // The swapping must stop even if an assertion fails.
        let stop = StopOnDrop(&done);
        for round in 0..ROUNDS {
            hammer(&fs, round);
        }
        drop(stop);
    });
    scene.check_outside();
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs the operations. Whether they succeed does not matter, since each may meet either state;
/// what they read or leave behind does.
fn hammer(fs: &AbstractedFs, round: usize) {
    let fs: &dyn Filesystem = fs;
    if let Ok(text) = read_all(fs, "/d/canary") {
        assert_eq!(text, "inside");
    }
    if let Ok(mut listing) = fs.list(&path("/d")) {
        let mut entries = Vec::new();
        while listing.next_batch(8, &mut entries).unwrap() {}
        // `e` exists only inside.
        assert!(entries.iter().any(|entry| entry.name == b"e"));
    }
    if let Ok(real) = fs.canonical(&path("/d/canary")) {
        assert_eq!(real, path("/d/canary"));
    }
    let name = format!("/d/new{}", round % 3);
    let _ = write_all(fs, "/d/canary", WriteMode::At(0), b"inside");
    let _ = write_all(fs, &name, WriteMode::Replace, b"new");
    let _ = write_all(fs, &name, WriteMode::Append, b"er");
    let _ = write_all(fs, "/d/up", WriteMode::Unique, b"unique").map(|made| fs.remove(&made));
    let _ = fs.set_mode(&path("/d/canary"), 0o123);
    let _ = fs.set_mode(&path("/d/dir"), 0o123);
    let _ = fs.set_modified(&path("/d/canary"), 123);
    let _ = fs.rename(&path(&name), &path("/d/renamed"));
    let _ = fs.rename(&path("/d/renamed"), &path("/moved"));
    let _ = fs.rename(&path("/moved"), &path("/d/canary2"));
    let _ = fs.remove(&path("/d/canary2"));
    let _ = fs.rmdir(&path("/d/dir"));
    let _ = fs.mkdir(&path("/d/dir"));
    let _ = fs.mkdir(&path("/d/dir/made"));
    let _ = fs.rmdir(&path("/d/dir/made"));
}

#[test]
fn a_swapped_directory_leads_nowhere_by_the_kernel() {
    check_swapped(Resolver::Kernel);
}

#[test]
fn a_swapped_directory_leads_nowhere_by_the_walk() {
    check_swapped(Resolver::Walk);
}
