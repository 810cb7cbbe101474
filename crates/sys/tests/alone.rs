//! What only a process with a single thread may do: fork, and what it uses children for.

#[cfg(target_os = "linux")]
fn main() {
    use linux::*;

    if std::env::var_os(SIGCHLD_IGNORED).is_some() {
        return a_killed_child_is_told_by_its_signal();
    }
    if std::env::var_os(LITTLE_MEMORY).is_some() {
        return a_hash_is_not_made_without_memory();
    }
    a_hash_without_memory_looked_like_that_of_an_unknown_method();
    children_of_a_process_that_ignores_sigchld_were_killed_under_numbers_of_others();
    a_child_is_told_by_its_end();
    a_killed_child_is_told_by_its_signal();
    words_are_shared_with_children();
    children_draw_different_numbers();
    one_process_at_a_time_holds_a_lock();
    the_lock_of_a_killed_process_is_free();
    locks_with_numbers_are_held_beside_each_other();
    a_lock_that_another_process_holds_is_not_waited_for();
    processes_have_no_more_places_than_there_are();
    processes_overtook_each_other_on_the_way_to_a_place();
    a_killed_process_leaves_its_place_and_the_queue();
    a_signal_for_a_new_child_is_not_its_parents();
    a_child_could_stop_its_parent();
    a_process_that_hangs_is_ended_by_the_second_signal();
    a_client_that_broke_off_a_download_ended_the_process();
    root_is_given_up_for_good();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::io::{self, IoSlice, PipeReader, PipeWriter, Read, Write, pipe};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::PathBuf;
    use std::sync::Mutex;
    use std::sync::atomic::Ordering;
    use std::thread;
    use std::time::Duration;

    use ftpdlib_sys::{
        ChildEnd, ChildProcess, Fork, Identity, ProcessLock, ProcessPlaces, SharedWords, Signal,
        Signals, check_forkable, crypt, exit_at_once, expect_broken_pipe, fork, is_root,
        random_number, send_file,
    };

    /// Runs `body` in a child, which exits with code 0 unless `body` panics.
    fn child(body: impl FnOnce()) -> ChildProcess {
        match fork().unwrap() {
            Fork::Parent(child) => child,
            Fork::Child => {
                let panicked = catch_unwind(AssertUnwindSafe(body)).is_err();
                exit_at_once(i32::from(panicked))
            }
        }
    }

    pub(super) fn a_child_is_told_by_its_end() {
        let (reader, writer) = pipe().unwrap();
        let mut waiting = child(move || {
            drop(writer);
            let _ = (&reader).read(&mut [0]);
            exit_at_once(42);
        });
        // Both ends on this side were moved into the closure, and dropped with it.
        assert_eq!(waiting.wait().unwrap(), ChildEnd::Code(42));
        assert_eq!(waiting.try_wait().unwrap(), Some(ChildEnd::Code(42)));
    }

    pub(super) fn a_killed_child_is_told_by_its_signal() {
        let (reader, writer) = pipe().unwrap();
        let mut waiting = child(|| {
            let _ = (&reader).read(&mut [0]);
        });
        assert_eq!(waiting.try_wait().unwrap(), None);
        waiting.kill().unwrap();
        assert_eq!(waiting.wait().unwrap(), ChildEnd::Signal(9));
        drop(writer);
    }

    /// Tells a child process that it was started by this test.
    pub(super) const SIGCHLD_IGNORED: &str = "FTPDLIB_TEST_SIGCHLD_IGNORED";

    pub(super) fn children_of_a_process_that_ignores_sigchld_were_killed_under_numbers_of_others() {
        let run = std::process::Command::new("env")
            .arg("--ignore-signal=CHLD")
            .arg(std::env::current_exe().unwrap())
            .env(SIGCHLD_IGNORED, "1")
            .status();
        assert!(run.unwrap().success());
    }

    /// Tells a process that it was started with little memory.
    pub(super) const LITTLE_MEMORY: &str = "FTPDLIB_TEST_LITTLE_MEMORY";

    pub(super) fn a_hash_without_memory_looked_like_that_of_an_unknown_method() {
        let run = std::process::Command::new("sh")
            .args(["-c", "ulimit -v 500000 && exec \"$0\""])
            .arg(std::env::current_exe().unwrap())
            .env(LITTLE_MEMORY, "1")
            .status();
        assert!(run.unwrap().success());
    }

    pub(super) fn a_hash_is_not_made_without_memory() {
        // This takes 1 GiB.
        match crypt("sesame", "$y$jFT$saltoftests.") {
            // A system without the library, or with one that does not know the method.
            Ok(None) => {}
            Ok(Some(hash)) => panic!("{hash}"),
            Err(error) => assert!(
                matches!(
                    error.kind(),
                    io::ErrorKind::OutOfMemory | io::ErrorKind::NotFound
                ),
                "{error}"
            ),
        }
    }

    pub(super) fn words_are_shared_with_children() {
        let words = SharedWords::new(4).unwrap();
        let children: Vec<_> = (0..4)
            .map(|number| {
                child(|| {
                    for _ in 0..1000 {
                        words[0].fetch_add(1, Ordering::SeqCst);
                    }
                    words[number].fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        for mut child in children {
            assert!(child.wait().unwrap().is_success());
        }
        let seen: Vec<_> = words
            .iter()
            .map(|word| word.load(Ordering::SeqCst))
            .collect();
        assert_eq!(seen, [4001, 1, 1, 1]);
    }

    pub(super) fn children_draw_different_numbers() {
        let words = SharedWords::new(3).unwrap();
        random_number();
        for word in words.iter() {
            let mut child = child(|| word.store(random_number(), Ordering::SeqCst));
            assert!(child.wait().unwrap().is_success());
        }
        let drawn: Vec<_> = words
            .iter()
            .map(|word| word.load(Ordering::SeqCst))
            .collect();
        assert!(drawn[0] != drawn[1] && drawn[1] != drawn[2] && drawn[0] != drawn[2]);
    }

    pub(super) fn one_process_at_a_time_holds_a_lock() {
        let (words, lock) = (SharedWords::new(1).unwrap(), ProcessLock::new().unwrap());
        let children: Vec<_> = (0..4)
            .map(|_| {
                child(|| {
                    for _ in 0..1000 {
                        let _guard = lock.lock().unwrap();
                        // Not atomic: without the lock, some increments would be lost.
                        let before = words[0].load(Ordering::SeqCst);
                        words[0].store(before + 1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for mut child in children {
            assert!(child.wait().unwrap().is_success());
        }
        assert_eq!(words[0].load(Ordering::SeqCst), 4000);
    }

    pub(super) fn the_lock_of_a_killed_process_is_free() {
        let lock = ProcessLock::new().unwrap();
        let (mut reader, writer) = pipe().unwrap();
        let (block, _held) = pipe().unwrap();
        let mut holder = child(|| {
            let _guard = lock.lock().unwrap();
            (&writer).write_all(b"a").unwrap();
            let _ = (&block).read(&mut [0]);
        });
        reader.read_exact(&mut [0]).unwrap();
        holder.kill().unwrap();
        drop(lock.lock().unwrap());
        holder.wait().unwrap();
    }

    pub(super) fn locks_with_numbers_are_held_beside_each_other() {
        let lock = ProcessLock::new().unwrap();
        let (mut reader, writer) = pipe().unwrap();
        let mine = lock.lock_one(0).unwrap();
        let mut other = child(|| {
            let _own = lock.lock_one(1).unwrap();
            (&writer).write_all(b"a").unwrap();
            thread::scope(|scope| {
                scope.spawn(|| drop(lock.lock_one(0).unwrap()));
            });
        });
        reader.read_exact(&mut [0]).unwrap();
        // Each process waits for what the other holds, so the system reports a deadlock.
        thread::scope(|scope| {
            let waiting = scope.spawn(|| drop(lock.lock_one(1).unwrap()));
            drop(lock.lock_one(2).unwrap());
            drop(mine);
            waiting.join().unwrap();
        });
        // The system may still count a joined thread, and the process cannot be forked then.
        while check_forkable().is_err() {
            thread::yield_now();
        }
        assert!(other.wait().unwrap().is_success());
    }

    pub(super) fn a_lock_that_another_process_holds_is_not_waited_for() {
        let lock = ProcessLock::new().unwrap();
        let held = lock.lock_one(0).unwrap();
        let mut other = child(|| {
            assert!(lock.try_lock_one(0).unwrap().is_none());
            assert!(lock.try_lock_one(1).unwrap().is_some());
        });
        assert!(other.wait().unwrap().is_success());
        drop(held);
        let mut other = child(|| assert!(lock.try_lock_one(0).unwrap().is_some()));
        assert!(other.wait().unwrap().is_success());
    }

    pub(super) fn processes_have_no_more_places_than_there_are() {
        for most in [1, 2, 3] {
            let (words, places) = (
                SharedWords::new(2).unwrap(),
                ProcessPlaces::new(most).unwrap(),
            );
            // Two threads of each process hold places at once, but only one of them queues up at a
            // time.
            let work = |queue: &Mutex<()>| {
                for _ in 0..200 {
                    let turn = queue.lock().unwrap();
                    let place = places.queue_up().take();
                    drop(turn);
                    let now = words[0].fetch_add(1, Ordering::SeqCst) + 1;
                    words[1].fetch_max(now, Ordering::SeqCst);
                    thread::yield_now();
                    words[0].fetch_sub(1, Ordering::SeqCst);
                    drop(place);
                }
            };
            let children: Vec<_> = (0..4)
                .map(|_| {
                    child(|| {
                        let queue = Mutex::new(());
                        thread::scope(|scope| {
                            scope.spawn(|| work(&queue));
                            work(&queue);
                        });
                    })
                })
                .collect();
            for mut child in children {
                assert!(child.wait().unwrap().is_success());
            }
            assert!(words[1].load(Ordering::SeqCst) <= most as u64);
        }
    }

    /// Starts a process that takes a ticket, and then a place as soon as it can. It reports that
    /// with `name`, and keeps the place until it reads a byte.
    fn in_queue(
        places: &ProcessPlaces,
        name: u8,
        mut tell: &PipeWriter,
        mut give_back: &PipeReader,
    ) -> ChildProcess {
        let (mut ready, queued) = pipe().unwrap();
        let child = child(|| {
            let ticket = places.queue_up();
            (&queued).write_all(b"q").unwrap();
            let _place = ticket.take();
            tell.write_all(&[name]).unwrap();
            give_back.read_exact(&mut [0]).unwrap();
        });
        ready.read_exact(&mut [0]).unwrap();
        child
    }

    pub(super) fn processes_overtook_each_other_on_the_way_to_a_place() {
        let places = ProcessPlaces::new(1).unwrap();
        let (mut told, tell) = pipe().unwrap();
        let (wait, mut give_back) = pipe().unwrap();
        let mut children: Vec<_> = (0..5)
            .map(|name| in_queue(&places, name, &tell, &wait))
            .collect();
        for name in 0..5 {
            // The last process is behind the others, although the place is free for a moment each
            // time.
            let mut next = [5];
            told.read_exact(&mut next).unwrap();
            assert_eq!(next, [name]);
            give_back.write_all(b"g").unwrap();
        }
        for child in &mut children {
            assert!(child.wait().unwrap().is_success());
        }
    }

    pub(super) fn a_killed_process_leaves_its_place_and_the_queue() {
        let places = ProcessPlaces::new(1).unwrap();
        let (mut told, tell) = pipe().unwrap();
        let (wait, mut give_back) = pipe().unwrap();
        let [mut holder, mut waiting, mut last] =
            [b'h', b'w', b'l'].map(|name| in_queue(&places, name, &tell, &wait));
        let mut name = [0];
        told.read_exact(&mut name).unwrap();
        assert_eq!(&name, b"h");
        for child in [&mut waiting, &mut holder] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        told.read_exact(&mut name).unwrap();
        assert_eq!(&name, b"l");
        give_back.write_all(b"g").unwrap();
        assert!(last.wait().unwrap().is_success());
    }

    pub(super) fn a_signal_for_a_new_child_is_not_its_parents() {
        let signals = Signals::new(&[Signal::Terminate]).unwrap();
        let mut child = child(|| {
            send("-TERM");
            drop(signals);
            let signals = Signals::new(&[Signal::HangUp]).unwrap();
            send("-HUP");
            let came = loop {
                if let Some(signal) = signals.next().unwrap() {
                    break signal;
                }
                thread::yield_now();
            };
            assert_eq!(came, Signal::HangUp);
        });
        assert!(child.wait().unwrap().is_success());
    }

    fn send(name: &str) {
        let own = std::process::id().to_string();
        let sent = std::process::Command::new("kill")
            .args([name, &own])
            .status();
        assert!(sent.unwrap().success());
    }

    pub(super) fn a_child_could_stop_its_parent() {
        let _signals = Signals::new(&[Signal::Terminate]).unwrap();
        let sockets = || {
            let descriptors = fs::read_dir("/proc/self/fd").unwrap();
            let links = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
            let is_socket = |link: &PathBuf| link.to_string_lossy().starts_with("socket:");
            links.filter(is_socket).collect::<Vec<_>>()
        };
        let parents = sockets();
        assert!(parents.len() >= 2);
        let mut child = child(|| {
            let common = sockets().into_iter().filter(|own| parents.contains(own));
            // Only those that the test itself was started with.
            assert_eq!(common.count(), parents.len() - 2);
        });
        assert!(child.wait().unwrap().is_success());
    }

    pub(super) fn a_process_that_hangs_is_ended_by_the_second_signal() {
        let mut child = child(|| {
            let _signals = Signals::new(&[Signal::Terminate, Signal::Interrupt]).unwrap();
            send("-TERM");
            thread::sleep(Duration::from_millis(300));
            send("-INT");
            thread::sleep(Duration::from_secs(20));
        });
        assert_eq!(child.wait().unwrap(), ChildEnd::Signal(2));
    }

    pub(super) fn a_client_that_broke_off_a_download_ended_the_process() {
        // SAFETY: no handler is set that could run.
        let by_default = || unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let mut serving = child(|| {
            by_default();
            let (mut ours, _) = UnixStream::pair().unwrap();
            let file = fs::File::open("/proc/self/exe").unwrap();
            let sent = send_file(ours.as_fd(), file.as_fd(), &mut 0, 9);
            assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            let pieces = [IoSlice::new(b"a"), IoSlice::new(b"b")];
            let sent = expect_broken_pipe(|| ours.write_vectored(&pieces));
            assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        });
        assert!(serving.wait().unwrap().is_success());
        // The program's own writes are not affected.
        let mut own = child(|| {
            by_default();
            expect_broken_pipe(|| ());
            let (_, mut writer) = pipe().unwrap();
            let _ = writer.write(b"a");
        });
        assert_eq!(own.wait().unwrap(), ChildEnd::Signal(13));
    }

    #[track_caller]
    fn check_denied(outcome: io::Result<()>) {
        let kind = outcome.unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::PermissionDenied);
    }

    pub(super) fn root_is_given_up_for_good() {
        if !is_root() {
            let nobody = Identity::find("nobody", None).unwrap();
            let mut child = child(|| check_denied(nobody.assume()));
            check_denied(nobody.try_out());
            assert!(child.wait().unwrap().is_success());
            return;
        }
        let identity = Identity::find("4000000123", Some("4000000124")).unwrap();
        let mut child = child(|| {
            Identity::may_be_assumed().unwrap();
            identity.try_out().unwrap();
            // The process that tried it has not changed.
            assert!(is_root());
            identity.assume().unwrap();
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let value = |name: &str| {
                let line = status.lines().find(|line| line.starts_with(name)).unwrap();
                let words: Vec<_> = line[name.len() + 1..].split_whitespace().collect();
                words.join(" ")
            };
            assert_eq!(value("Uid"), ["4000000123"; 4].join(" "));
            assert_eq!(value("Gid"), ["4000000124"; 4].join(" "));
            assert_eq!(value("Groups"), "4000000124");
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(value(set), "0000000000000000", "{set}");
            }
            assert_eq!(value("NoNewPrivs"), "1");
            check_denied(identity.assume());
            check_denied(identity.try_out());
            assert_eq!(Identity::may_be_assumed(), Err("is not root's"));
            assert!(!is_root());
        });
        assert!(child.wait().unwrap().is_success());
    }
}
