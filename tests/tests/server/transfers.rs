//! Files going up and down.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use ftpdlib::filesystems::{AbstractedFs, ErrorKind, MemoryFs};
use ftpdlib::handlers::{ObservedSession, ObservedTransfer, Observer};
use ftpdlib_tests::client::{Client, read_all, read_to_any_end};
use ftpdlib_tests::hooked::Hooked;
use ftpdlib_tests::models::processes;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::wait::PATIENCE;

/// Bytes in which a piece that is lost, doubled or moved shows.
pub(crate) fn pattern(size: usize) -> Vec<u8> {
    // A prime number of them, so that no piece of a transfer begins like another one.
    let mut state = 1_u32;
    let period: Vec<u8> = (0..size.min(65_521))
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    let mut bytes = period.repeat(size.div_ceil(period.len().max(1)));
    bytes.truncate(size);
    bytes
}

/// Servers that move bytes in different ways: inside the kernel, through buffers on the loop, and
/// on threads.
fn every_way() -> Vec<(&'static str, TestServer)> {
    let copied = ("control.use_sendfile", "false");
    // The program has none that small.
    let few = if processes().is_none() { "7" } else { "512" };
    let small = [
        copied,
        ("data.ac_in_buffer_size", few),
        ("data.ac_out_buffer_size", few),
    ];
    let mut ways = vec![
        ("sendfile", TestServer::new()),
        ("copied", TestServer::set(&[copied])),
        ("copied, small buffers", TestServer::set(&small)),
    ];
    if processes().is_none() {
        let on_threads = Hooked::new(MemoryFs::new(), |_| Ok(()));
        ways.push(("in memory", TestServer::showing(MemoryFs::new())));
        ways.push(("on threads", TestServer::showing(on_threads)));
    }
    ways
}

#[test]
fn what_goes_up_comes_down() {
    for (way, server) in every_way() {
        let mut client = server.client();
        client.expect("TYPE I", 200);
        for size in [0, 1, 6, 7, 8, 65_535, 65_536, 65_537, 300_000] {
            let content = pattern(size);
            client.put("STOR a", &content);
            client.expect("SIZE a", 213);
            assert_eq!(client.fetch("RETR a"), content, "{way}, {size} bytes");
        }
    }
}

#[test]
fn sixty_four_mebibytes_come_down_as_they_went_up() {
    let content = pattern(64 << 20);
    for (way, server) in every_way() {
        if way.contains("small") {
            continue;
        }
        let mut client = server.client();
        client.expect("TYPE I", 200);
        client.put("STOR big", &content);
        let same = client.fetch("RETR big") == content;
        assert!(same, "{way}: other bytes came back");
    }
}

#[test]
fn appe_goes_on_at_the_end() {
    for (way, server) in every_way() {
        let mut client = server.client();
        client.expect("TYPE I", 200);
        for piece in ["one", "", "two"] {
            client.put("APPE a", piece.as_bytes());
        }
        assert_eq!(client.fetch("RETR a"), b"onetwo", "{way}");
        client.play(&[("REST 2", 350), ("APPE a", 450)]);
        client.put("APPE a", b"!");
        assert_eq!(client.fetch("RETR a"), b"onetwo!", "{way}");
    }
}

#[test]
fn rest_begins_in_the_middle() {
    for (way, server) in every_way() {
        let mut client = server.client();
        client.expect("TYPE I", 200);
        client.put("STOR a", b"0123456789");
        for (offset, expected) in [(0, "0123456789"), (1, "123456789"), (9, "9"), (10, "")] {
            client.expect(&format!("REST {offset}"), 350);
            let content = client.fetch("RETR a");
            assert_eq!(content, expected.as_bytes(), "{way}, RETR from {offset}");
        }
        client.epsv();
        client.play(&[("REST 11", 350), ("RETR a", 550)]);
        assert_eq!(
            client.fetch("RETR a"),
            b"0123456789",
            "{way}: REST is used up"
        );

        let mut expected = b"0123456789".to_vec();
        for (offset, byte) in [(1, b'B'), (9, b'C'), (10, b'D')] {
            client.expect(&format!("REST {offset}"), 350);
            client.put("STOR a", &[byte]);
            expected.resize(expected.len().max(offset + 1), 0);
            expected[offset] = byte;
            assert_eq!(client.fetch("RETR a"), expected, "{way}, STOR at {offset}");
        }
        client.epsv();
        client.play(&[("REST 12", 350), ("STOR a", 554)]);
    }
}

#[test]
fn stou_makes_a_new_file_each_time() {
    for (way, server) in every_way() {
        let mut client = server.client();
        let mut names = Vec::new();
        for content in ["one", "two"] {
            let mut stream = client.passive();
            let told = client.expect("STOU", 150).argument();
            let name = told.strip_prefix("FILE: ").unwrap().to_owned();
            stream.write_all(content.as_bytes()).unwrap();
            drop(stream);
            client.expect_reply(226);
            assert_eq!(client.fetch(&format!("RETR {name}")), content.as_bytes());
            names.push(name);
        }
        assert_ne!(names[0], names[1], "{way}");
    }
}

#[test]
fn text_is_translated_across_the_borders_of_buffers() {
    for (way, server) in every_way() {
        let mut client = server.client();
        for padding in [0, 1, 5, 6, 7, 65_534, 65_535, 65_536, 262_143] {
            let pad = "x".repeat(padding);
            let wire = format!("{pad}\r\none\r\n\r\nbare\rtwo\r\n");
            let disk = format!("{pad}\none\n\nbare\rtwo\n");
            client.expect("TYPE A", 200);
            client.put("STOR a", wire.as_bytes());
            let back = client.fetch("RETR a");
            assert!(back == wire.as_bytes(), "{way}, {padding}: on the wire");
            client.expect("TYPE I", 200);
            let kept = client.fetch("RETR a");
            assert!(kept == disk.as_bytes(), "{way}, {padding}: on the disk");
        }
    }
}

#[test]
fn a_lone_return_at_the_end_of_a_text_stays() {
    for (way, server) in every_way() {
        let mut client = server.client();
        client.expect("TYPE A", 200);
        client.put("STOR a", b"text\r");
        client.expect("TYPE I", 200);
        assert_eq!(client.fetch("RETR a"), b"text\r", "{way}");
    }
}

#[test]
fn five_gibibytes_are_no_matter() {
    let server = TestServer::new();
    let size = 5_u64 << 30;
    let path = server.file("sparse", "");
    let mut file = File::options().write(true).open(path).unwrap();
    file.set_len(size - 4).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).unwrap();
    file.write_all(b"tail").unwrap();
    for sendfile in [true, false] {
        server
            .handle()
            .set_handler(ftpdlib_tests::server::handler(server.home()).use_sendfile(sendfile))
            .unwrap();
        let mut client = server.client();
        client.expect("TYPE I", 200);
        let told = client.expect("SIZE sparse", 213).argument();
        assert_eq!(told, size.to_string());
        client.expect(&format!("REST {}", size - 10), 350);
        assert_eq!(client.fetch("RETR sparse"), b"\0\0\0\0\0\0tail");
        client.expect(&format!("REST {size}"), 350);
        client.put("STOR sparse", b"!");
        assert_eq!(server.path("sparse").metadata().unwrap().len(), size + 1);
        client.expect(&format!("REST {}", size - 4), 350);
        client.put("STOR sparse", b"tail");
        File::options()
            .write(true)
            .open(server.path("sparse"))
            .unwrap()
            .set_len(size)
            .unwrap();
    }
}

#[test]
fn a_thousand_small_files_go_up() {
    let server = TestServer::new();
    let mut client = server.client();
    for number in 0..1000 {
        client.put(&format!("STOR {number}"), number.to_string().as_bytes());
    }
    for number in 0..1000 {
        assert_eq!(
            server.content(number.to_string()),
            number.to_string().as_bytes()
        );
    }
}

#[test]
fn outside_the_kernel_a_download_missed_that_its_file_had_become_shorter() {
    let big = vec![b'x'; 32 << 20];
    let on_disk = |sendfile| {
        let server = TestServer::set(&[("control.use_sendfile", sendfile)]);
        server.file("big", &big);
        server
    };
    let in_memory = || {
        let files = MemoryFs::new();
        files.insert("/big", big.as_slice()).unwrap();
        files
    };
    let ways: [(&str, &dyn Fn() -> TestServer); 4] = [
        ("sendfile", &|| on_disk("true")),
        ("copied", &|| on_disk("false")),
        ("in memory", &|| TestServer::showing(in_memory())),
        ("on threads", &|| {
            TestServer::showing(Hooked::new(in_memory(), |_| Ok(())))
        }),
    ];
    let known = if processes().is_none() { 4 } else { 2 };
    for (way, start) in &ways[..known] {
        for transfer_type in ["TYPE I", "TYPE A"] {
            let server = start();
            let mut client = server.client();
            client.expect(transfer_type, 200);
            let mut stream = client.begin("RETR big");
            stream.read_exact(&mut [0; 1000]).unwrap();
            server.client().put("STOR big", &[b'y'; 1000]);
            let rest = read_to_any_end(stream);
            assert!(rest.len() < big.len() - 1000, "{way}, {transfer_type}");
            let reply = client.next_reply().unwrap();
            let told = "451 File became shorter while it was sent.";
            assert_eq!(reply.text().trim_end(), told, "{way}, {transfer_type}");
            client.expect("NOOP", 200);
        }
    }
}

/// Downloads a file that the kernel makes up, and that is not as large as it is said to be.
#[track_caller]
fn check_made_up(directory: &'static str, name: &str) {
    // Processes of their own show their users a home only.
    let whole = match fs::read(Path::new(directory).join(name)) {
        Ok(whole) if processes().is_none() => whole,
        _ => return,
    };
    for sendfile in [true, false] {
        let server = TestServer::with(|handler| {
            handler
                .use_sendfile(sendfile)
                .abstracted_fs(move |_| Ok(Arc::new(AbstractedFs::new(directory)?)))
        });
        let mut client = server.client();
        client.expect("TYPE I", 200);
        let fetched = client.fetch(&format!("RETR {name}"));
        assert_eq!(fetched, whole, "{sendfile}");
    }
}

#[test]
fn a_file_that_the_kernel_makes_up_was_taken_for_one_that_had_become_shorter() {
    // It is said to be as large as a page.
    check_made_up("/sys/kernel", "fscaps");
}

#[test]
fn a_file_that_told_no_size_was_sent_as_an_empty_one() {
    check_made_up("/proc/sys/kernel", "ostype");
}

#[test]
fn what_is_no_file_is_refused_and_never_waited_for() {
    let server = TestServer::new();
    fs::create_dir(server.path("dir")).unwrap();
    let made = Command::new("mkfifo").arg(server.path("fifo")).status();
    assert!(made.unwrap().success());
    let _socket = UnixListener::bind(server.path("socket")).unwrap();
    symlink("fifo", server.path("link")).unwrap();
    let mut names = vec!["dir", "fifo", "socket", "link", "/"];
    // Only root may make one.
    let device = Command::new("mknod")
        .arg(server.path("device"))
        .args(["c", "1", "5"])
        .status();
    if device.is_ok_and(|status| status.success()) {
        names.push("device");
    }
    let mut client = server.client();
    client.expect("TYPE I", 200);
    for name in names {
        for verb in ["RETR", "STOR", "APPE"] {
            client.epsv();
            client.expect(&format!("{verb} {name}"), 550);
        }
        client.expect(&format!("SIZE {name}"), 550);
    }
    let listing = client.fetch("LIST");
    assert!(listing.windows(4).any(|window| window == b"fifo"));
    client.fetch("MLSD");
    client.fetch("NLST");
}

#[test]
fn a_full_disk_is_told_and_the_session_goes_on() {
    let full = Arc::new(AtomicBool::new(true));
    let is_full = Arc::clone(&full);
    let server = TestServer::showing(Hooked::new(MemoryFs::new(), move |call| {
        if call == "write" && is_full.load(Ordering::SeqCst) {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }));
    let mut client = server.client();
    let mut stream = client.begin("STOR a");
    stream.write_all(b"hello").unwrap();
    client.expect_reply(552);
    drop(stream);
    full.store(false, Ordering::SeqCst);
    client.put("STOR a", b"hello");
    assert_eq!(client.fetch("RETR a"), b"hello");
}

#[test]
fn a_really_full_disk_is_told() {
    // Full while bytes are copied, and while they move inside the kernel.
    for size in ["64k", "1m"] {
        let server = TestServer::new();
        let disk = server.path("disk");
        fs::create_dir(&disk).unwrap();
        let Some(_mounted) = Mounted::tiny(disk, size) else {
            // Only root may; the test above stands in.
            return;
        };
        let mut client = server.client();
        client.expect("TYPE I", 200);
        let mut stream = client.begin("STOR disk/a");
        // The server may close before all of it is sent.
        let _ = stream.write_all(&pattern(4 << 20));
        client.expect_reply(552);
        drop(stream);
        client.expect("DELE disk/a", 250);
        client.put("STOR disk/a", b"hello");
        assert_eq!(client.fetch("RETR disk/a"), b"hello");
    }
}

/// What had come inside the kernel was counted only once it was written.
#[test]
fn a_full_disk_left_the_last_piece_of_an_upload_uncounted() {
    struct Count(mpsc::Sender<u64>);

    impl Observer for Count {
        fn on_incomplete_file_received(&self, _: &ObservedSession, upload: &ObservedTransfer) {
            self.0.send(upload.bytes).unwrap();
        }
    }

    let (tell, told) = mpsc::channel();
    let server = TestServer::with(|handler| handler.observer(Count(tell)));
    let disk = server.path("disk");
    fs::create_dir(&disk).unwrap();
    let Some(_mounted) = Mounted::tiny(disk, "1m") else {
        // Only root may.
        return;
    };
    let mut client = server.client();
    client.expect("TYPE I", 200);
    let mut stream = client.begin("STOR disk/a");
    let _ = stream.write_all(&pattern(4 << 20));
    client.expect_reply(552);
    let stored = server.content("disk/a").len() as u64;
    let bytes = told.recv_timeout(PATIENCE).unwrap();
    assert!(
        bytes > stored,
        "{bytes} bytes, of which {stored} are stored"
    );
}

/// A filesystem of a few pages, until it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn tiny(place: PathBuf, size: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]);
        let mounted = mount.arg(&place).stderr(Stdio::null()).status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(place))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[test]
fn throttled_transfers_come_whole() {
    let rate = (2 << 20).to_string();
    let server = TestServer::set(&[("data.read_limit", &rate), ("data.write_limit", &rate)]);
    let content = pattern(300_000);
    let mut client = server.client();
    client.expect("TYPE I", 200);
    client.put("STOR a", &content);
    assert_eq!(client.fetch("RETR a"), content);
}

#[test]
fn the_slowest_rate_is_still_one() {
    let server = TestServer::set(&[("data.read_limit", "15"), ("data.write_limit", "15")]);
    let mut client = server.client();
    client.expect("TYPE I", 200);
    client.put("STOR a", b"hi");
    assert_eq!(client.fetch("RETR a"), b"hi");
}

#[test]
fn many_small_files_in_a_row_keep_to_the_rate() {
    let server = TestServer::set(&[("data.write_limit", "4000")]);
    server.file("a", pattern(200));
    let mut client = server.client();
    client.expect("TYPE I", 200);
    let start = Instant::now();
    for _ in 0..5 {
        assert_eq!(client.fetch("RETR a").len(), 200);
    }
    // A quarter of a second, but for what the first may have at once, and the precision of clocks.
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[test]
fn a_throttled_transfer_leaves_room_for_others_and_can_be_stopped() {
    let server = TestServer::set(&[("data.write_limit", "1")]);
    server.file("a", pattern(1000));
    let mut client = server.client();
    client.expect("TYPE I", 200);
    let stream = client.begin("RETR a");
    client.expect("NOOP", 200);
    server.check_serves();
    client.expect("ABOR", 426);
    client.expect_reply(226);
    assert!(read_to_any_end(stream).len() < 1000);
}

#[test]
fn a_file_appended_to_meanwhile_keeps_the_size_it_was_told_with() {
    let server = TestServer::new();
    let path = server.file("a", pattern(1 << 20));
    let mut client = server.client();
    client.expect("TYPE I", 200);
    let stream = client.begin("RETR a");
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(b"more").unwrap();
    assert_eq!(read_all(stream).len(), 1 << 20);
    client.expect_reply(226);
}

#[test]
fn uploads_over_an_older_file_leave_its_inode() {
    let server = TestServer::new();
    let path = server.file("a", "older and longer");
    let inode = path.metadata().unwrap().ino();
    server.client().put("STOR a", b"new");
    assert_eq!(server.content("a"), b"new");
    assert_eq!(path.metadata().unwrap().ino(), inode);
}

#[test]
fn two_sessions_write_two_files_at_once() {
    let server = TestServer::new();
    let content = pattern(1 << 20);
    let mut clients: Vec<Client> = (0..4).map(|_| server.client()).collect();
    for client in &mut clients {
        client.expect("TYPE I", 200);
    }
    let mut streams: Vec<_> = clients
        .iter_mut()
        .enumerate()
        .map(|(number, client)| client.begin(&format!("STOR {number}")))
        .collect();
    for piece in content.chunks(10_000) {
        for stream in &mut streams {
            stream.write_all(piece).unwrap();
        }
    }
    drop(streams);
    for (number, client) in clients.iter_mut().enumerate() {
        client.expect_reply(226);
        assert!(server.content(number.to_string()) == content);
    }
}

#[test]
fn two_clients_that_append_do_not_overwrite_each_other() {
    // The second size is one at which uploads would move inside the kernel.
    for size in [1_000, 1_000_000] {
        let server = TestServer::new();
        server.file("log", "0");
        let (mut one, mut other) = (server.client(), server.client());
        for client in [&mut one, &mut other] {
            client.expect("TYPE I", 200);
        }
        let mut first = one.begin("APPE log");
        let mut second = other.begin("APPE log");
        for (client, stream, byte) in [
            (&mut one, &mut first, b'1'),
            (&mut other, &mut second, b'2'),
        ] {
            stream.write_all(&vec![byte; size]).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            client.expect_reply(226);
        }
        let content = server.content("log");
        let count = |byte| content.iter().filter(|&&found| found == byte).count();
        assert_eq!([count(b'0'), count(b'1'), count(b'2')], [1, size, size]);
    }
}
