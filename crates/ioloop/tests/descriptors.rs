//! An acceptor in a process that has run out of descriptors. The test has its own process, since
//! other tests would run out of descriptors, too.
#![cfg(unix)]

use std::cell::Cell;
use std::env;
use std::fs::File;
use std::net::TcpStream;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ftpdlib_ioloop::{Acceptor, IoLoop};

const INNER: &str = "IOLOOP_TEST_HAS_FEW_DESCRIPTORS";

#[test]
fn an_acceptor_survives_a_lack_of_descriptors() {
    if env::var_os(INNER).is_some() {
        return run_out_of_descriptors();
    }
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap())
        .args([
            "--exact",
            "an_acceptor_survives_a_lack_of_descriptors",
            "--nocapture",
        ])
        .env(INNER, "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn run_out_of_descriptors() {
    log::set_logger(&WARNINGS).unwrap();
    log::set_max_level(log::LevelFilter::Warn);

    let listener = Acceptor::bind("127.0.0.1:0".parse().unwrap(), 10).unwrap();
    let addr = listener.local_addr().unwrap();
    let accepted = Rc::new(Cell::new(0));
    let counter = Rc::clone(&accepted);
    let mut io_loop = IoLoop::new().unwrap();
    let acceptor = Acceptor::new(listener, move |_, _, _| counter.set(counter.get() + 1));
    io_loop.add(Box::new(acceptor)).unwrap();

    let clients: Vec<_> = (0..3).map(|_| TcpStream::connect(addr).unwrap()).collect();
    let hoard: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(!hoard.is_empty());
    while WARNINGS.seen.load(Ordering::Relaxed) == 0 {
        io_loop.turn(None).unwrap();
    }
    // The acceptor does not spin: at some point nothing is ready and the timer is not due. And
    // several retries are logged only once.
    for _ in 0..3 {
        while io_loop.turn(None).unwrap() == Some(Duration::ZERO) {}
    }
    assert_eq!(accepted.get(), 0);
    assert_eq!(WARNINGS.seen.load(Ordering::Relaxed), 1);

    drop(hoard);
    while accepted.get() < clients.len() {
        io_loop.turn(None).unwrap();
    }
    assert_eq!(WARNINGS.seen.load(Ordering::Relaxed), 1);
}

static WARNINGS: Warnings = Warnings {
    seen: AtomicUsize::new(0),
};

struct Warnings {
    seen: AtomicUsize,
}

impl log::Log for Warnings {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, _: &log::Record<'_>) {
        self.seen.fetch_add(1, Ordering::Relaxed);
    }

    fn flush(&self) {}
}
