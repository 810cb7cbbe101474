//! Jobs on a local disk that take too long for the loop, since they are large or wait for what was
//! stored a moment ago; and small ones, which do not.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use ftpdlib::filesystems::{AbstractedFs, ErrorKind, Filesystem, FilesystemError, Layer, Layered};
use ftpdlib::proto::{FileKind, Metadata, VirtualPath};
use ftpdlib_tests::client::Client;
use ftpdlib_tests::hooked::Hooked;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::wait::wait_until;

/// What a file holds that is large.
const LARGE: u64 = 16 << 20;

/// Directories whose name ends like that tell that they are so large; files whose name does, that
/// they were stored a moment ago, and others that they were not.
struct Sizes;

impl Sizes {
    fn told(path: &VirtualPath, mut facts: Metadata) -> Metadata {
        if facts.kind == FileKind::Directory {
            facts.size = match path.as_bytes() {
                name if name.ends_with(b"large") => 1 << 20,
                name if name.ends_with(b"huge") => 32 << 20,
                _ => (1 << 20) - 1,
            };
        }
        facts.unwritten = path.as_bytes().ends_with(b"new");
        facts
    }
}

impl Layer for Sizes {
    fn stat(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<Metadata, FilesystemError> {
        Ok(Self::told(path, inner.stat(path)?))
    }

    fn lstat(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<Metadata, FilesystemError> {
        Ok(Self::told(path, inner.lstat(path)?))
    }
}

/// A server of a local disk that notes on which thread each call is made; and a client.
struct Watched {
    server: TestServer,
    client: Client,
    calls: Arc<Mutex<Vec<(String, ThreadId)>>>,
    /// Whether what is stored over was stored a moment ago.
    stores_over_new: Arc<AtomicBool>,
}

impl Watched {
    fn new() -> Self {
        let calls = Arc::<Mutex<Vec<_>>>::default();
        let noted = Arc::clone(&calls);
        let stores_over_new = Arc::<AtomicBool>::default();
        let over_new = Arc::clone(&stores_over_new);
        let server = TestServer::with(|handler| {
            handler.abstracted_fs(move |login| {
                let disk: Arc<dyn Filesystem> = Arc::new(AbstractedFs::new(&login.home)?);
                let (noted, over_new) = (Arc::clone(&noted), Arc::clone(&over_new));
                let note = move |call: &str| {
                    match call {
                        "may_wait" if over_new.load(Ordering::Relaxed) => {
                            return Err(ErrorKind::Other.into());
                        }
                        // What was there is gone.
                        "write" => over_new.store(false, Ordering::Relaxed),
                        _ => {}
                    }
                    let mut noted = noted.lock().unwrap();
                    noted.push((call.to_owned(), thread::current().id()));
                    Ok(())
                };
                Ok(Arc::new(
                    Hooked::new(Layered::new(Sizes, disk), note).local(),
                ))
            })
        });
        let mut client = server.client();
        client.expect("TYPE I", 200);
        Self {
            server,
            client,
            calls,
            stores_over_new,
        }
    }

    fn home(&self) -> &Path {
        self.server.home()
    }

    /// A file of so many bytes, none of which takes place.
    fn file(&self, name: &str, size: u64) {
        let file = File::create(self.home().join(name)).unwrap();
        file.set_len(size).unwrap();
    }

    fn directory(&self, name: &str) {
        fs::create_dir(self.home().join(name)).unwrap();
    }

    /// Has the client do something, and tells of each of these `calls` that follows from it whether
    /// it was made on the loop.
    fn on_loop(&mut self, calls: &[&str], act: impl FnOnce(&mut Client)) -> Vec<bool> {
        self.calls.lock().unwrap().clear();
        // Asked for on the loop, since it is never large.
        self.client.expect("MDTM none", 550);
        act(&mut self.client);
        let made = self.calls.lock().unwrap();
        let (_, at_home) = made.iter().find(|(call, _)| call == "stat").unwrap();
        made.iter()
            .filter(|(call, _)| calls.contains(&call.as_str()))
            .map(|(_, thread)| thread == at_home)
            .collect()
    }

    /// Whether the one `call` that follows from these commands is made on the loop.
    #[track_caller]
    fn check(&mut self, call: &str, commands: &[(&str, u16)], expected: bool) {
        let on_loop = self.on_loop(&[call], |client| client.play(commands));
        assert_eq!(on_loop, [expected], "{commands:?}");
    }

    /// Whether each byte of an upload is written on the loop, and its file finished there.
    #[track_caller]
    fn check_upload(&mut self, command: &str, bytes: &[u8], expected: &[bool]) {
        let calls = Arc::clone(&self.calls);
        let written = || {
            let calls = calls.lock().unwrap();
            calls.iter().filter(|(call, _)| call == "write").count()
        };
        let on_loop = self.on_loop(&["write", "finish"], |client| {
            let mut stream = client.begin(command);
            for (before, byte) in bytes.iter().enumerate() {
                stream.write_all(&[*byte]).unwrap();
                // One that is kept back, since another may follow, is the last.
                if *byte != b'\r' {
                    wait_until("the byte was written", || written() > before);
                }
            }
            drop(stream);
            client.expect_reply(226);
        });
        assert_eq!(on_loop, expected, "{command} {bytes:?}");
    }
}

#[test]
fn others_waited_for_a_large_file_to_be_removed() {
    let mut watched = Watched::new();
    for (size, expected) in [(LARGE - 1, true), (LARGE, false)] {
        watched.file("a", size);
        watched.check("remove", &[("DELE a", 250)], expected);
    }
}

#[test]
fn others_waited_for_a_large_file_to_be_replaced_or_to_replace_another() {
    let mut watched = Watched::new();
    // The sizes of what is renamed and of what was there.
    for (size, before, expected) in [
        (1, Some(1), true),
        (1, Some(LARGE), false),
        (LARGE, Some(1), false),
        (LARGE, None, true),
    ] {
        watched.file("a", size);
        if let Some(before) = before {
            watched.file("b", before);
        }
        watched.check("rename", &[("RNFR a", 350), ("RNTO b", 250)], expected);
        fs::remove_file(watched.home().join("b")).unwrap();
    }
}

#[test]
fn others_waited_for_the_disk_when_a_file_was_removed_that_was_stored_a_moment_ago() {
    let mut watched = Watched::new();
    for (name, expected) in [("old", true), ("new", false)] {
        watched.file(name, 1);
        watched.check("remove", &[(&format!("DELE {name}"), 250)], expected);
    }
}

#[test]
fn others_waited_for_the_disk_when_a_file_was_renamed_that_was_stored_a_moment_ago() {
    let mut watched = Watched::new();
    // What is renamed, and what was there.
    for (from, to, is_there, expected) in [
        ("old", "other", true, true),
        ("old", "new", true, false),
        ("new", "old", true, false),
        ("new", "old", false, true),
    ] {
        watched.file(from, 1);
        if is_there {
            watched.file(to, 1);
        }
        let (from, onto) = (format!("RNFR {from}"), format!("RNTO {to}"));
        watched.check("rename", &[(&from, 350), (&onto, 250)], expected);
        fs::remove_file(watched.home().join(to)).unwrap();
    }
}

#[test]
fn others_waited_for_the_disk_when_a_file_was_stored_over_that_was_stored_a_moment_ago() {
    let mut watched = Watched::new();
    for (bytes, expected) in [
        (&b"ab"[..], &[false, true, true][..]),
        // What was there goes at the end.
        (b"", &[false]),
    ] {
        watched.stores_over_new.store(true, Ordering::Relaxed);
        watched.check_upload("STOR a", bytes, expected);
        assert_eq!(fs::read(watched.home().join("a")).unwrap(), bytes);
    }
}

#[test]
fn others_waited_for_a_large_directory_to_be_found_empty() {
    let mut watched = Watched::new();
    for (name, expected) in [("small", true), ("large", false)] {
        watched.directory(name);
        watched.check("rmdir", &[(&format!("RMD {name}"), 250)], expected);
    }
}

#[test]
fn others_waited_for_a_large_file_to_be_stored_over() {
    let mut watched = Watched::new();
    watched.check_upload("STOR new", b"ab", &[true, true, true]);
    watched.check_upload("STOR new", b"ab", &[true, true, true]);
    for (bytes, expected) in [
        (&b"ab"[..], &[false, true, false][..]),
        // What was there goes at the end.
        (b"", &[false]),
    ] {
        watched.file("a", LARGE);
        watched.check_upload("STOR a", bytes, expected);
        assert_eq!(fs::read(watched.home().join("a")).unwrap(), bytes);
    }
    watched.client.expect("TYPE A", 200);
    watched.file("a", LARGE);
    watched.check_upload("STOR a", b"\r", &[false, false]);
}

#[test]
fn others_waited_for_a_file_that_became_large_while_it_was_stored() {
    let mut watched = Watched::new();
    let path = watched.home().join("a");
    // What was there, what comes before the file has grown, and what comes then.
    for (before, command, early, late, expected) in [
        // It is another's by now, and stays large.
        ("x", "STOR a", "", "y", &[false, false][..]),
        ("x", "STOR a", "", "", &[false]),
        // It may have been removed by the end.
        ("", "STOR a", "y", "", &[true, false]),
        ("x", "APPE a", "y", "", &[true, false]),
    ] {
        fs::write(&path, before).unwrap();
        let on_loop = watched.on_loop(&["write", "finish"], |client| {
            let mut stream = client.begin(command);
            stream.write_all(early.as_bytes()).unwrap();
            wait_until("the early byte is written", || {
                fs::read(&path).unwrap().ends_with(early.as_bytes())
            });
            let file = File::options().write(true).open(&path).unwrap();
            file.set_len(LARGE).unwrap();
            stream.write_all(late.as_bytes()).unwrap();
            drop(stream);
            client.expect_reply(226);
        });
        assert_eq!(on_loop, expected, "{command} {early:?} {late:?}");
    }
}

/// ext4 gives a file that was emptied its place on the disk when it is closed.
#[test]
fn others_waited_for_a_large_upload_to_be_closed() {
    let mut watched = Watched::new();
    for (size, expected) in [(LARGE - 1, true), (LARGE, false)] {
        let content = vec![0; usize::try_from(size).unwrap()];
        let on_loop = watched.on_loop(&["finish"], |client| client.put("STOR a", &content));
        assert_eq!(on_loop, [expected], "{size}");
        fs::write(watched.home().join("a"), "x").unwrap();
    }
}

#[test]
fn others_waited_for_a_large_file_to_be_kept_from_an_upload_that_never_came() {
    let mut watched = Watched::new();
    // What is there when it is opened, and when it is closed.
    for (before, size, expected) in [
        (LARGE - 1, LARGE - 1, true),
        (LARGE, LARGE, false),
        (1, LARGE, false),
    ] {
        watched.file("a", before);
        let path = watched.home().join("a");
        let calls = Arc::clone(&watched.calls);
        let on_loop = watched.on_loop(&["finish"], |client| {
            client.expect("PASV", 227);
            client.expect("STOR a", 150);
            let file = File::options().write(true).open(path).unwrap();
            file.set_len(size).unwrap();
            client.expect("ABOR", 426);
            client.expect_reply(226);
            wait_until("the file was closed", || {
                calls
                    .lock()
                    .unwrap()
                    .iter()
                    .any(|(call, _)| call == "finish")
            });
        });
        assert_eq!(on_loop, [expected], "{before} {size}");
    }
}

#[test]
fn others_waited_for_a_large_directory_to_be_read() {
    let mut watched = Watched::new();
    for (name, expected) in [("large", true), ("huge", false)] {
        watched.directory(name);
        // Some pieces of work.
        for number in 0..300 {
            watched.file(&format!("{name}/{number}"), 0);
        }
        for (command, argument) in [
            ("LIST", name.to_owned()),
            ("LIST", format!("{name}/*")),
            ("NLST", name.to_owned()),
            ("MLSD", name.to_owned()),
        ] {
            let command = format!("{command} {argument}");
            let mut lines = 0;
            let on_loop = watched.on_loop(&["next_batch"], |client| {
                let listed = client.fetch(&command);
                lines = listed.iter().filter(|&&byte| byte == b'\n').count();
            });
            assert_eq!(lines, 300, "{command}");
            let as_expected = on_loop.iter().all(|&on_loop| on_loop == expected);
            assert!(as_expected && !on_loop.is_empty(), "{command}: {on_loop:?}");
        }
        fs::remove_dir_all(watched.home().join(name)).unwrap();
        watched.directory(name);
        watched.check("next_batch", &[(&format!("STAT {name}"), 213)], expected);
    }
}
