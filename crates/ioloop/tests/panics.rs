//! What the log says about a job that panics. The test has its own process, for its own logger.

use std::sync::Mutex;
use std::time::Duration;

use ftpdlib_ioloop::{IoLoop, Pool, Task};

static ERRORS: Errors = Errors(Mutex::new(Vec::new()));

struct Errors(Mutex<Vec<String>>);

impl log::Log for Errors {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

#[test]
fn nothing_told_which_job_had_panicked() {
    log::set_logger(&ERRORS).unwrap();
    log::set_max_level(log::LevelFilter::Error);
    let pool = Pool::new();
    let lane = pool.lane("login", 1);
    let mut io_loop = IoLoop::new().unwrap();
    io_loop.call_later(Duration::ZERO, move |cx| {
        lane.submit(|| panic!("first")).unwrap();
        let task = Task::<()>::spawn(&lane, &cx.notifier(), || panic!("second"));
        task.map(drop).unwrap();
    });
    io_loop.run().unwrap();
    assert!(pool.shutdown(Duration::from_secs(60)));
    let errors = ERRORS.0.lock().unwrap();
    assert_eq!(
        *errors,
        ["login job panicked: first", "login job panicked: second"]
    );
}
