//! Checks of passwords in several processes, and the memory that they take in one. Without the
//! usual harness, since a process that forks must have only one thread, and no other test may take
//! memory meanwhile.

#[cfg(target_os = "linux")]
fn main() {
    linux::the_guesses_of_one_client_in_many_processes_kept_all_others_waiting();
    linux::each_failed_login_kept_the_memory_of_its_hash();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::net::{IpAddr, SocketAddr};
    use std::os::unix::process::parent_id;
    use std::process;
    use std::sync::atomic::Ordering;
    use std::thread;

    use ftpdlib_authorizers::{Authorizer, DummyAuthorizer, LoginRequest, User};
    use ftpdlib_sys::{ChildProcess, Fork, SharedWords, fork, usable_cpus};
    use tempfile::TempDir;

    /// An authorizer with one user, whose password is unknown. A check takes `memory_kib` of
    /// memory.
    fn authorizer(home: &TempDir, memory_kib: u64) -> DummyAuthorizer {
        let rest = "t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg";
        let hash = format!("$argon2id$v=19$m={memory_kib},{rest}");
        let authorizer = DummyAuthorizer::new();
        let alice = User::with_password_hash("alice", hash, home.path());
        authorizer.add_user(alice).unwrap();
        authorizer
    }

    /// Has the wrong password `x` checked.
    fn guess(authorizer: &DummyAuthorizer, client: [u8; 4]) {
        let peer = SocketAddr::new(IpAddr::from(client), 50000);
        let local = SocketAddr::new(IpAddr::from([192, 0, 2, 9]), 21);
        let request = LoginRequest::new("alice", "x", peer, local);
        assert!(authorizer.authenticate(&request).is_err());
    }

    fn guesser(authorizer: &DummyAuthorizer, guesses: &SharedWords) -> ChildProcess {
        let test = process::id();
        match fork().unwrap() {
            Fork::Parent(child) => child,
            Fork::Child => {
                while parent_id() == test {
                    guess(authorizer, [192, 0, 2, 1]);
                    guesses[0].fetch_add(1, Ordering::SeqCst);
                }
                process::exit(0)
            }
        }
    }

    pub(super) fn the_guesses_of_one_client_in_many_processes_kept_all_others_waiting() {
        let home = tempfile::tempdir().unwrap();
        // A check of this cost is quick.
        let authorizer = authorizer(&home, 1024);
        let guesses = SharedWords::new(1).unwrap();
        let count = || guesses[0].load(Ordering::SeqCst) as usize;
        let cpus = usable_cpus();
        let mut guessers: Vec<_> = (0..10 * cpus)
            .map(|_| guesser(&authorizer, &guesses))
            .collect();
        while count() < 10 * cpus {
            thread::yield_now();
        }
        // How many guesses are checked while another client waits for its turn and its check.
        let mut meanwhile = [(); 9].map(|()| {
            let before = count();
            guess(&authorizer, [192, 0, 2, 2]);
            count() - before
        });
        for child in &mut guessers {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        meanwhile.sort_unstable();
        // The guesser's current turn, its next one, and those beside the other client's check.
        assert!(meanwhile[4] < 5 * cpus, "{meanwhile:?}");
    }

    pub(super) fn each_failed_login_kept_the_memory_of_its_hash() {
        const COST_KIB: u64 = 19_456;
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kib = line.unwrap().trim_end_matches(" kB").trim();
            kib.parse::<u64>().unwrap()
        };
        let home = tempfile::tempdir().unwrap();
        let authorizer = authorizer(&home, COST_KIB);
        let before = resident();
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| guess(&authorizer, [192, 0, 2, 1]));
            }
        });
        let grown = resident().saturating_sub(before);
        assert!(grown < 4 * COST_KIB, "{grown} KiB");
    }
}
