//! Checks of passwords in several processes. Without the usual harness, since a process that forks
//! must have only one thread.

#[cfg(target_os = "linux")]
fn main() {
    linux::the_guesses_of_one_client_in_many_processes_kept_all_others_waiting();
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

    /// The hash of no known password, which is quick to check.
    const HASH: &str = "$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg";

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
        let authorizer = DummyAuthorizer::new();
        authorizer
            .add_user(User::with_password_hash("alice", HASH, home.path()))
            .unwrap();
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
}
