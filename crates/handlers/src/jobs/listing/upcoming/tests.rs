use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, Weak};
use std::thread;
use std::time::Duration;

use ftpdlib_filesystems::{Entry, ErrorKind, FilesystemError, Recall};
use ftpdlib_proto::{FileKind, Metadata};

use super::super::batch::Missing;
use super::*;

/// How many entries a batch has here.
const ENTRIES: usize = 16;

/// A directory whose entries are named by numbers, of which every third is gone.
struct Numbers {
    /// What a helper does before and after it looks at an entry.
    helper: Arc<(Mutex<Receiver<()>>, Sender<usize>)>,
}

/// The other ends of these.
struct Watch {
    go_on: Sender<()>,
    looked_at: Receiver<usize>,
}

impl Numbers {
    fn watched() -> (Self, Watch) {
        let (go_on, before) = mpsc::channel();
        let (after, looked_at) = mpsc::channel();
        let helper = Arc::new((Mutex::new(before), after));
        (Self { helper }, Watch { go_on, looked_at })
    }
}

fn name_of(number: usize) -> String {
    format!("{number}")
}

fn number_of(name: &[u8]) -> usize {
    str::from_utf8(name).unwrap().parse().unwrap()
}

/// Of the entry, with who looked at it as its owner.
fn facts_of(name: &[u8], who: u32) -> Result<Metadata, FilesystemError> {
    let number = number_of(name);
    if number.is_multiple_of(3) {
        return Err(ErrorKind::NotFound.into());
    }
    Ok(Metadata {
        kind: FileKind::File,
        size: number as u64,
        modified: 0,
        mode: 0,
        links: 1,
        uid: who,
        gid: 0,
        device: 0,
        inode: 0,
        unwritten: false,
    })
}

const SHOWER: u32 = 1;
const HELPER: u32 = 2;

impl Listing for Numbers {
    fn next_batch(&mut self, _: usize, _: &mut Vec<Entry>) -> Result<bool, FilesystemError> {
        Ok(false)
    }

    fn lstat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
        facts_of(name, SHOWER)
    }

    fn stat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
        self.lstat(name)
    }

    fn recall(&self) -> Option<Recall> {
        let helper = Arc::clone(&self.helper);
        Some(Box::new(move |name| {
            let (before, after) = &*helper;
            // Whoever watched need not watch any more.
            let _ = before.lock().unwrap().recv();
            let facts = facts_of(name, HELPER).ok();
            let _ = after.send(number_of(name));
            facts
        }))
    }

    fn readlink(&self, _: &[u8]) -> Result<Vec<u8>, FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }
}

/// Entries with consecutive numbers, batch by batch.
struct Scene<'a> {
    helpers: &'a Helpers,
    listing: Numbers,
    upcoming: Upcoming,
    added: usize,
    shown: usize,
    /// All batches that were added.
    batches: Vec<Weak<Batch>>,
}

impl<'a> Scene<'a> {
    fn new(helpers: &'a Helpers, listing: Numbers) -> Self {
        Self {
            helpers,
            listing,
            upcoming: Upcoming::default(),
            added: 0,
            shown: 0,
            batches: Vec::new(),
        }
    }

    /// Goes on until a helper has a batch of which nothing was shown.
    fn helped(helpers: &'a Helpers, listing: Numbers) -> Self {
        let mut scene = Self::alone(helpers, listing);
        loop {
            scene.add();
            if let Helper::Started(..) = scene.upcoming.helper {
                return scene;
            }
            // It was just looking for work.
            scene.show_alone();
            let_helpers_run();
        }
    }

    /// Goes on until a helper would have the next batch.
    fn alone(helpers: &'a Helpers, listing: Numbers) -> Self {
        let mut scene = Self::new(helpers, listing);
        for _ in 0..ALONE {
            scene.add();
            scene.show_alone();
        }
        scene
    }

    /// Shows the only batch.
    fn show_alone(&mut self) {
        assert_eq!(self.upcoming.wanted(), 0);
        assert!(self.show_all().into_iter().all(|who| who == SHOWER));
        assert_eq!(self.upcoming.wanted(), 1);
    }

    fn add(&mut self) {
        let mut batch = Batch::default();
        for number in self.added..self.added + ENTRIES {
            batch.push(name_of(number).as_bytes(), None);
        }
        self.added += ENTRIES;
        self.upcoming.add(batch, &self.listing, Some(self.helpers));
        let added = self.upcoming.batches.back();
        self.batches.extend(added.map(Arc::downgrade));
    }

    /// Checks that what is shown of the next entry is right, and tells who looked it up.
    fn show(&mut self) -> Option<u32> {
        let entry = self.upcoming.next().expect("an entry that was added");
        assert_eq!(entry.name, name_of(self.shown).as_bytes());
        let facts = entry.facts(&self.listing, &mut Missing::default()).unwrap();
        let expected = (!self.shown.is_multiple_of(3)).then_some(self.shown as u64);
        assert_eq!(facts.as_ref().map(|facts| facts.size), expected);
        self.shown += 1;
        facts.map(|facts| facts.uid)
    }

    /// Shows all that was added, and tells who looked it up.
    fn show_all(&mut self) -> Vec<u32> {
        (self.shown..self.added)
            .filter_map(|_| self.show())
            .collect()
    }
}

/// Somebody who has one helper.
fn one_helper() -> Helpers {
    Helpers::beside_one_of(2)
}

fn until_there_is_time(helpers: &Helpers) {
    while !helpers.have_time() {
        let_helpers_run();
    }
}

fn let_helpers_run() {
    // A helper gets no processor from those who only yield theirs.
    thread::sleep(Duration::from_millis(1));
}

#[test]
fn what_the_helper_found_is_not_looked_up_again() {
    let helpers = one_helper();
    let (listing, watch) = Numbers::watched();
    let mut scene = Scene::helped(&helpers, listing);
    for number in (scene.shown..scene.added).rev() {
        watch.go_on.send(()).unwrap();
        assert_eq!(watch.looked_at.recv(), Ok(number));
    }
    // What it found last is there for sure once it has gone.
    drop(watch.go_on);
    until_there_is_time(&helpers);
    let found = scene.show_all();
    assert!(found.iter().all(|&who| who == HELPER), "{found:?}");
}

#[test]
fn a_helper_that_hangs_is_not_waited_for() {
    let helpers = one_helper();
    let (listing, watch) = Numbers::watched();
    let mut scene = Scene::helped(&helpers, listing);
    for _ in 0..100 {
        for _ in 0..scene.upcoming.wanted() {
            scene.add();
        }
        for _ in 0..ENTRIES {
            scene.show();
        }
    }
    let is_kept = |batch: &&Weak<Batch>| batch.strong_count() > 0;
    let kept = scene.batches.iter().filter(is_kept).count();
    assert!(kept <= 3 * AHEAD, "{kept} batches are kept");
    drop(watch);
}

#[test]
fn a_listing_that_ends_lets_its_helper_go() {
    let helpers = one_helper();
    let (listing, watch) = Numbers::watched();
    let scene = Scene::helped(&helpers, listing);
    assert!(!helpers.have_time());
    drop(scene);
    drop(watch.go_on);
    until_there_is_time(&helpers);
}

#[test]
fn a_listing_that_is_broken_off_is_not_freed_by_its_helper() {
    let helpers = one_helper();
    let (listing, watch) = Numbers::watched();
    let scene = Scene::helped(&helpers, listing);
    let batches: Vec<_> = scene.upcoming.batches.iter().map(Arc::downgrade).collect();
    drop(scene);
    drop(watch.go_on);
    until_there_is_time(&helpers);
    assert!(batches.iter().all(|batch| batch.strong_count() == 0));
}

#[test]
fn a_client_that_takes_nothing_lets_its_helper_go() {
    let helpers = one_helper();
    let (listing, watch) = Numbers::watched();
    let mut scene = Scene::helped(&helpers, listing);
    drop(watch.go_on);
    until_there_is_time(&helpers);
    // The listing goes on, and has no other.
    scene.add();
    assert!(matches!(scene.upcoming.helper, Helper::Gone));
    assert!(!scene.show_all().is_empty());
}

#[test]
fn whoever_has_no_helper_takes_one_batch_at_a_time() {
    let helpers = one_helper();
    let (listing, _watch) = Numbers::watched();
    let busy = Scene::helped(&helpers, listing);
    let mut scene = Scene::new(&helpers, Numbers::watched().0);
    for _ in 0..2 * ALONE {
        assert!(!helpers.have_time());
        scene.add();
        scene.show_alone();
        assert!(scene.upcoming.is_empty());
    }
    drop(busy);
}

#[test]
fn a_listing_had_no_helper_if_that_was_just_looking_for_work() {
    let helpers = one_helper();
    drop(Scene::helped(&helpers, Numbers::watched().0));
    until_there_is_time(&helpers);
    let (listing, _watch) = Numbers::watched();
    let mut scene = Scene::alone(&helpers, listing);
    helpers.while_one_looks(|| scene.add());
    assert!(matches!(scene.upcoming.helper, Helper::None));
    while let Helper::None = scene.upcoming.helper {
        scene.show_alone();
        let_helpers_run();
        scene.add();
    }
    assert!(matches!(scene.upcoming.helper, Helper::Started(..)));
}

#[test]
fn known_facts_are_not_looked_up() {
    let mut upcoming = Upcoming::default();
    let listing = Numbers::watched().0;
    let mut batch = Batch::default();
    batch.push(b"1", Some(facts_of(b"2", HELPER).unwrap()));
    upcoming.add(batch, &listing, None);
    let entry = upcoming.next().unwrap();
    let facts = entry.facts(&listing, &mut Missing::default()).unwrap();
    assert_eq!(facts.map(|facts| facts.size), Some(2));
}
