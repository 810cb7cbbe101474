use std::cell::Cell;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn with_idle_timeout(idle_timeout: Duration) -> Pool {
    Pool::assemble(Box::new(|| ()), idle_timeout)
}

/// A job that reports that it is running, and continues until it is released.
fn hang(lane: &Lane, running: &Sender<usize>, name: usize) -> Sender<()> {
    let (release, released) = channel::<()>();
    let running = running.clone();
    lane.submit(move || {
        running.send(name).unwrap();
        // An error also releases the job, since the test is over.
        let _ = released.recv();
    })
    .unwrap();
    release
}

fn run_one(lane: &Lane) -> Receiver<()> {
    let (done, outcome) = channel();
    lane.submit(move || done.send(()).unwrap()).unwrap();
    outcome
}

#[test]
fn a_lane_runs_as_many_jobs_as_it_may_in_order() {
    let pool = Pool::new();
    let lane = pool.lane("test", 2);
    let (running, started) = channel();
    let mut held: Vec<_> = (0..6).map(|name| hang(&lane, &running, name)).collect();
    let mut first = [started.recv().unwrap(), started.recv().unwrap()];
    first.sort_unstable();
    assert_eq!(first, [0, 1]);
    for name in 2..6 {
        assert_eq!(lock(&lane.shared.queue).running, 2);
        assert_eq!(lock(&lane.shared.queue).waiting.len(), 6 - name);
        drop(held.remove(0));
        assert_eq!(started.recv(), Ok(name));
    }
    assert_eq!(lock(&pool.pool.workers.state).alive, 2);
    assert!(!pool.is_idle());
    drop(held);
    assert!(pool.shutdown(LONG));
    assert!(pool.is_idle());
}

#[test]
fn the_jobs_of_one_client_kept_all_others_waiting() {
    let pool = Pool::new();
    let lane = pool.lane("test", 1);
    let (running, started) = channel();
    let held = hang(&lane, &running, 0);
    assert_eq!(started.recv(), Ok(0));
    let submit = |client: &str, name| {
        let running = running.clone();
        let job = move || running.send(name).unwrap();
        let client = Some(client.parse().unwrap());
        lane.submit_as(client, Box::new(job)).unwrap();
    };
    for name in 10..14 {
        submit("192.0.2.1", name);
    }
    submit("192.0.2.2", 20);
    submit("2001:db8::1", 30);
    submit("2001:db8::1", 31);
    drop(held);
    let order: Vec<_> = started.iter().take(7).collect();
    assert_eq!(order, [10, 20, 30, 11, 31, 12, 13]);
    assert!(pool.shutdown(LONG));
    let queue = lock(&lane.shared.queue);
    assert_eq!(queue.waiting.len(), 0);
    assert!(queue.waiting.jobs.is_empty() && queue.waiting.clients.is_empty());
}

#[test]
fn a_hung_lane_delays_no_other() {
    let pool = Pool::new();
    let (running, started) = channel();
    let hung = pool.lane("test", 64);
    let held: Vec<_> = (0..64).map(|name| hang(&hung, &running, name)).collect();
    let waiting = run_one(&hung);
    assert_eq!(started.iter().take(64).count(), 64);
    assert_eq!(run_one(&pool.lane("test", 1)).recv(), Ok(()));
    assert!(waiting.try_recv().is_err());
    drop(held);
    assert_eq!(waiting.recv(), Ok(()));
    assert!(pool.shutdown(LONG));
}

#[test]
fn a_job_that_panics_harms_no_other() {
    let pool = Pool::new();
    let lane = pool.lane("test", 1);
    lane.submit(|| panic!("as expected")).unwrap();
    assert_eq!(run_one(&lane).recv(), Ok(()));
    assert!(pool.shutdown(LONG));
}

#[test]
fn an_idle_thread_is_used_by_any_lane() {
    let pool = with_idle_timeout(LONG);
    for _ in 0..10 {
        assert_eq!(run_one(&pool.lane("test", 1)).recv(), Ok(()));
        while lock(&pool.pool.workers.state).idle == 0 {
            thread::yield_now();
        }
    }
    assert_eq!(lock(&pool.pool.workers.state).alive, 1);
    assert!(pool.shutdown(LONG));
}

#[test]
fn an_idle_thread_ends_in_time() {
    let pool = with_idle_timeout(Duration::ZERO);
    assert_eq!(run_one(&pool.lane("test", 1)).recv(), Ok(()));
    assert!(pool.pool.workers.join(LONG), "without being shut down");
    assert_eq!(run_one(&pool.lane("test", 1)).recv(), Ok(()));
}

#[test]
fn each_thread_is_prepared_before_its_first_job() {
    thread_local!(static PREPARED: Cell<u32> = const { Cell::new(0) });
    let pool = Pool::with_thread_start(|| PREPARED.set(PREPARED.get() + 1));
    let (times, told) = channel();
    for _ in 0..4 {
        let times = times.clone();
        let job = move || times.send(PREPARED.get()).unwrap();
        pool.lane("test", 1).submit(job).unwrap();
    }
    drop(times);
    assert_eq!(told.iter().collect::<Vec<_>>(), [1; 4]);
}

#[test]
fn threads_end_with_the_last_lane() {
    let pool = with_idle_timeout(LONG);
    let (running, started) = channel();
    let lane = pool.lane("test", 1);
    let held = hang(&lane, &running, 0);
    let queued = run_one(&lane);
    let workers = Arc::clone(&pool.pool.workers);
    drop((pool, lane));
    assert_eq!(started.recv(), Ok(0));
    drop(held);
    assert_eq!(
        queued.recv(),
        Ok(()),
        "jobs that were submitted are run nevertheless"
    );
    assert!(workers.join(LONG));
    assert!(lock(&workers.state).threads.is_empty());
}

#[test]
fn shutting_down_waits_no_longer_than_told() {
    let pool = Pool::new();
    let lane = pool.lane("test", 1);
    let (running, started) = channel();
    let held = hang(&lane, &running, 0);
    assert_eq!(started.recv(), Ok(0));
    let queued = run_one(&lane);
    assert!(!pool.shutdown(Duration::ZERO));
    assert!(lane.submit(|| ()).is_err());
    assert!(pool.lane("test", 1).submit(|| ()).is_err());
    drop(held);
    assert!(pool.shutdown(LONG));
    assert_eq!(queued.recv(), Ok(()));
    assert!(lock(&pool.pool.workers.state).threads.is_empty());
}

#[test]
fn a_payload_that_panicked_as_it_was_dropped_blocked_its_lane() {
    struct Payload;

    impl Drop for Payload {
        fn drop(&mut self) {
            panic!("as expected");
        }
    }

    let pool = Pool::new();
    let lane = pool.lane("test", 1);
    lane.submit(|| std::panic::panic_any(Payload)).unwrap();
    assert_eq!(run_one(&lane).recv_timeout(LONG), Ok(()));
    assert!(pool.shutdown(LONG));
}
