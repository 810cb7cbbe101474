//! Limits that several processes keep together. Without the usual harness, since a process that
//! forks has one thread.

#[cfg(target_os = "linux")]
fn main() {
    linux::the_last_places_are_neither_lost_nor_given_twice();
    linux::what_a_killed_process_counted_is_cleared();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{Read, Write, pipe};
    use std::net::{IpAddr, Ipv4Addr};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use ftpdlib_handlers::{LimitReached, Limits};
    use ftpdlib_sys::{ChildProcess, Fork, SharedWords, exit_at_once, fork};

    const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn child(limits: &Arc<Limits>, table: usize, body: impl FnOnce()) -> ChildProcess {
        // Before the fork, so that the parent adds this table up, too.
        limits.enter(table);
        match fork().unwrap() {
            Fork::Parent(child) => child,
            Fork::Child => {
                let panicked = catch_unwind(AssertUnwindSafe(body)).is_err();
                exit_at_once(i32::from(panicked))
            }
        }
    }

    /// Of many that want a few places, exactly as many get one at a time as there are.
    pub(super) fn the_last_places_are_neither_lost_nor_given_twice() {
        const PROCESSES: usize = 4;
        for (max_cons, max_cons_per_ip) in [(3, 0), (0, 3)] {
            let limits = Arc::new(Limits::new(max_cons, max_cons_per_ip));
            limits.share(PROCESSES, 8).unwrap();
            let held = SharedWords::new(1).unwrap();
            let (mut results, tell) = pipe().unwrap();
            let mut children: Vec<_> = (0..PROCESSES)
                .map(|table| {
                    child(&limits, table, || {
                        for _ in 0..2000 {
                            if let Ok(permit) = limits.acquire(IP) {
                                // What `limits` counts itself may be put together from before
                                // and after a place went from one to another.
                                assert!(held[0].fetch_add(1, Ordering::SeqCst) < 3);
                                held[0].fetch_sub(1, Ordering::SeqCst);
                                drop(permit);
                            }
                        }
                        // The last permit is kept.
                        if let Ok(permit) = limits.acquire(IP) {
                            permit.hand_over();
                            (&tell).write_all(b"y").unwrap();
                        }
                    })
                })
                .collect();
            drop(tell);
            for child in &mut children {
                assert!(child.wait().unwrap().is_success());
            }
            let mut told = Vec::new();
            results.read_to_end(&mut told).unwrap();
            assert_eq!((told.len(), limits.count()), (3, 3));
        }
    }

    pub(super) fn what_a_killed_process_counted_is_cleared() {
        let limits = Arc::new(Limits::new(2, 0));
        limits.share(2, 8).unwrap();
        let (mut told, tell) = pipe().unwrap();
        let (block, _held) = pipe().unwrap();
        let mut child = child(&limits, 1, || {
            let _both = [limits.acquire(IP).unwrap(), limits.acquire(IP).unwrap()];
            (&tell).write_all(b"a").unwrap();
            let _ = (&block).read(&mut [0]);
        });
        told.read_exact(&mut [0]).unwrap();
        limits.enter(0);
        assert_eq!(limits.acquire(IP).unwrap_err(), LimitReached::Total);
        child.kill().unwrap();
        child.wait().unwrap();
        limits.clear(1);
        assert_eq!(limits.count(), 0);
        drop(limits.acquire(IP).unwrap());
    }
}
