//! Users and passwords that are withdrawn while connections of before are kept, in every model.

use std::net::SocketAddr;

use ftpdlib_tests::client::{Client, USER};
use ftpdlib_tests::program::{Program, is_gone, signal};
use ftpdlib_tests::wait::wait_until;

use super::alone;
use super::programs::{MULTI_PROC, PRE_FORK, process_of};

/// In one process, and in several.
const MODELS: [&[&str]; 3] = [&[], PRE_FORK, MULTI_PROC];

/// A configuration with this password for the user.
fn configuration(password: &str) -> String {
    format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\n\
         [control]\nauth_failed_timeout = 0.001\nmax_login_attempts = 1000000\n\
         [[users]]\nname = {:?}\npassword = {password:?}\nhome = \".\"\n",
        USER.0,
    )
}

fn user() -> String {
    format!("USER {}", USER.0)
}

fn old_password() -> String {
    format!("PASS {}", USER.1)
}

/// Connections to a server whose users are about to change.
struct Kept {
    strangers: Vec<Client>,
    logged_in: Client,
    asking: Client,
}

impl Kept {
    #[track_caller]
    fn open(server: SocketAddr) -> Self {
        let open = || {
            let mut client = Client::open(server);
            client.expect_reply(220);
            client
        };
        // More than there are workers.
        let mut strangers: Vec<_> = (0..6).map(|_| open()).collect();
        strangers[0].expect(&user(), 331);
        let mut logged_in = open();
        logged_in.play(&[(&user(), 331), (&old_password(), 230)]);
        Self {
            strangers,
            logged_in,
            asking: open(),
        }
    }

    /// Checks that none lets the user in by the old password, once that is known to all.
    #[track_caller]
    fn check_outdated(self) {
        let (mut asking, mut logged_in) = (self.asking, self.logged_in);
        wait_until("the new configuration is known", || {
            asking.expect(&user(), 331);
            asking.send("PASS wrong");
            asking.next_reply().unwrap().code == 421
        });
        asking.expect_end();
        logged_in.play(&[("PWD", 257), ("REIN", 220)]);
        for mut client in self.strangers.into_iter().chain([logged_in]) {
            client.play(&[("NOOP", 200), (&user(), 331)]);
            let told = client.expect(&old_password(), 421);
            assert_eq!(told.argument(), "Configuration has changed; connect again.");
            client.expect_end();
        }
    }
}

#[track_caller]
fn check_new_password(server: SocketAddr) {
    let mut client = Client::open(server);
    client.expect_reply(220);
    client.play(&[(&user(), 331), (&old_password(), 530)]);
    client.play(&[(&user(), 331), ("PASS new", 230), ("QUIT", 221)]);
    client.expect_end();
}

#[test]
fn an_old_password_was_good_on_connections_from_before_a_reload() {
    let _alone = alone();
    let reloaded = MODELS.map(|model| {
        let program = Program::configured(model, &configuration(USER.1));
        let kept = Kept::open(program.address());
        // Nobody is cut off by one that fails.
        program.break_configuration();
        program.signal("HUP");
        program.wait_for("configuration not changed");
        let mut spared = Kept::open(program.address());
        for client in &mut spared.strangers {
            client.play(&[(&user(), 331), (&old_password(), 230)]);
        }

        program.rewrite(&configuration("new"));
        program.signal("HUP");
        program.wait_for("configuration read again");
        (program, kept)
    });
    for (mut program, kept) in reloaded {
        kept.check_outdated();
        check_new_password(program.address());
        program.end_at_once();
    }
}

#[test]
fn an_old_password_was_good_on_connections_from_before_an_upgrade() {
    let _alone = alone();
    let upgraded = MODELS.map(|model| {
        let program = Program::configured(model, &configuration(USER.1));
        let kept = Kept::open(program.address());
        program.rewrite(&configuration("new"));
        program.signal("USR2");
        let successor = process_of(&program.wait_for(" has taken over"));
        (program, kept, successor)
    });
    for (mut program, kept, successor) in upgraded {
        kept.check_outdated();
        check_new_password(program.address());
        program.check_hands_over_to(successor);
        signal(successor, "TERM");
        wait_until("the new program ends", || is_gone(successor));
    }
}
