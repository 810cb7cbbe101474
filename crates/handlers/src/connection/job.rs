//! Starting the session's jobs, on the loop or on threads, and taking their outcomes.

use std::io;
use std::sync::Arc;

use ftpdlib_authorizers::Login;
use ftpdlib_ioloop::{Context, Task};
use ftpdlib_session::{Action, Answer, Job, JobOutcome, Refusal, Secret};

use super::Connection;
use crate::jobs::{
    self, Cancel, Checked, CommandCall, Credentials, LoginEnd, Payload, RunsOn, Started, Untaken,
};

/// A job on a thread.
pub(super) struct RunningJob {
    task: Task<Ended>,
    /// Cancels a digest or a copy. Other jobs cannot be cancelled.
    cancel: Option<Cancel>,
}

/// The outcome of a job.
enum Ended {
    /// The credentials were checked.
    Checked(Checked),
    /// The user's filesystem was opened.
    HomeOpened(LoginEnd),
    /// Any other job was answered.
    Answered(Untaken),
}

impl Ended {
    fn answered(outcome: JobOutcome<Payload>) -> Self {
        Self::Answered(Untaken::new(outcome))
    }
}

impl Connection {
    /// Runs a short job, or starts it on a thread.
    pub(super) fn run_job(&mut self, job: Job, cx: &mut Context<'_>) {
        if let Action::Registered { .. } = job.action {
            return self.run_command(job, cx);
        }
        let Some(account) = &self.account else {
            return self.refuse_job(cx);
        };
        let run = RunsOn::of_action(account, &job.action);
        let run = run.begin(account, cx, |account| {
            Ended::answered(jobs::run(account, job))
        });
        self.follow(run, cx);
    }

    fn run_command(&mut self, job: Job, cx: &mut Context<'_>) {
        let call = CommandCall {
            account: self.account.clone(),
            secure: self.session.is_secure(),
        };
        let run = RunsOn::of_command(&self.client);
        let run = run.begin(&self.client, cx, |client| {
            Ended::answered(call.run(client, job))
        });
        self.follow(run, cx);
    }

    /// Checks a login, here or on a thread, by the settings with which the client was accepted. If
    /// they are outdated, the login is refused with 421: the client has to connect again.
    pub(super) fn log_in(
        &mut self,
        username: String,
        password: Option<Secret<Arc<str>>>,
        cx: &mut Context<'_>,
    ) {
        if self.client.service.is_outdated(cx.now()) {
            let refusal = Refusal::new(421, "Configuration has changed; connect again.");
            return self.take_end(Ended::Checked(Err(refusal)), cx);
        }
        let credentials = Credentials {
            username,
            password: password.map(|Secret(password)| password),
            certificate: self.security.certificate().cloned(),
            secure: self.session.is_secure(),
        };
        let check = RunsOn::of_check(&self.client, &credentials);
        let check = check.begin(&self.client, cx, move |client| {
            Ended::Checked(credentials.check(client))
        });
        self.follow(check, cx);
    }

    /// Continues a login after the credentials were accepted.
    fn open_home(&mut self, login: Login, cx: &mut Context<'_>) {
        let runs_on = RunsOn::of_home(&self.client, &login);
        let at_once = matches!(runs_on, RunsOn::Here);
        let enter = runs_on.begin(&self.client, cx, move |client| {
            Ended::HomeOpened(jobs::enter(client, login, at_once))
        });
        self.follow(enter, cx);
    }

    /// Starts a digest or a copy: never on the loop, and in lanes of their own.
    pub(super) fn start_work(&mut self, job: Job, cx: &mut Context<'_>) {
        let Some(account) = &self.account else {
            return self.refuse_job(cx);
        };
        let user = Arc::clone(account);
        let started = account.work_lane().start(&cx.notifier(), move |time| {
            Ended::answered(jobs::run_work(&user, job, time))
        });
        match started {
            Ok((task, cancel)) => {
                let cancel = Some(cancel);
                self.job = Some(RunningJob { task, cancel });
            }
            Err(error) => self.no_thread(&error, cx),
        }
    }

    /// Ends a digest or a copy before its next piece.
    pub(super) fn cancel_work(&self) {
        if let Some(cancel) = self.job.as_ref().and_then(|job| job.cancel.as_ref()) {
            cancel.cancel();
        }
    }

    /// Gives up a login that has no thread yet, as its client is gone: it would keep a neighbour of
    /// that client waiting.
    pub(super) fn withdraw_job(&mut self) {
        if self.job.take_if(|job| job.task.withdraw()).is_some() {
            self.session.handle_withdrawn_job();
        }
    }

    /// Takes the outcome of a job that ran here, or remembers the thread that runs it.
    fn follow(&mut self, started: io::Result<Started<Ended>>, cx: &mut Context<'_>) {
        match started {
            Ok(Started::Done(ended)) => self.take_end(ended, cx),
            Ok(Started::OnThread(task)) => self.job = Some(RunningJob { task, cancel: None }),
            Err(error) => self.no_thread(&error, cx),
        }
    }

    /// Takes the outcome of a job that ended on a thread. A panic counts as a refusal.
    pub(super) fn job_ended(&mut self, cx: &mut Context<'_>) {
        let Some(ended) = self.job.as_ref().and_then(|job| job.task.take()) else {
            return;
        };
        self.job = None;
        match ended {
            Ok(ended) => self.take_end(ended, cx),
            Err(_) => self.refuse_job(cx),
        }
    }

    /// Tells the session the outcome, and keeps the account of a user who has logged in.
    fn take_end(&mut self, ended: Ended, cx: &mut Context<'_>) {
        let outcome = match ended {
            Ended::Checked(Ok(Some(login))) => return self.open_home(login, cx),
            Ended::Checked(Ok(None)) => Ok(Answer::PasswordNeeded),
            Ended::Checked(Err(refusal)) => Err(refusal),
            Ended::HomeOpened(end) => end.map(|(account, facts)| {
                self.account = Some(account);
                Answer::Login(facts)
            }),
            Ended::Answered(outcome) => outcome.take(),
        };
        self.session.handle_job(outcome, cx.now());
    }

    fn no_thread(&mut self, error: &io::Error, cx: &Context<'_>) {
        log::error!("{} no thread for a job: {error}", self.log_prefix());
        self.refuse_job(cx);
    }

    fn refuse_job(&mut self, cx: &Context<'_>) {
        let refusal = Err(Refusal::local_error());
        self.session.handle_job(refusal, cx.now());
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::net::SocketAddr;
    use std::sync::{RwLock, mpsc};
    use std::time::{Duration, Instant};

    use ftpdlib_authorizers::{
        AuthenticationFailed, Authorizer, DummyAuthorizer, LoginRequest, User,
    };
    use ftpdlib_ioloop::Pool;
    use ftpdlib_proto::{Perm, VirtualPath};
    use tempfile::TempDir;

    use super::*;
    use crate::testing::{alone, connection, enter_as_user, service, sockets};
    use crate::{FtpHandler, Limits, ProxiedClient, Service};

    /// Tells from where to where each login comes, and refuses it.
    struct Addresses(mpsc::Sender<(SocketAddr, SocketAddr)>);

    impl Authorizer for Addresses {
        fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
            self.0.send((request.peer, request.local)).unwrap();
            Err(AuthenticationFailed)
        }

        fn has_perm(&self, _: &Login, _: Perm, _: &VirtualPath) -> bool {
            false
        }
    }

    #[test]
    fn an_authorizer_was_told_addresses_of_ipv4_in_the_form_of_ipv6() {
        let (told, heard) = mpsc::channel();
        let service = service(FtpHandler::new(Addresses(told)));
        let (mut client, stream) = sockets();
        // As a socket of both families has them.
        let mapped = ProxiedClient {
            peer: "[::ffff:192.0.2.1]:1".parse().unwrap(),
            local: "[::ffff:192.0.2.2]:2".parse().unwrap(),
        };
        let permit = service.limits.acquire(mapped.peer.ip()).unwrap();
        let connection = Connection::proxied(&service, stream, mapped, permit).unwrap();
        let mut events = alone(connection);
        client.write_all(b"USER user\r\nPASS 12345\r\n").unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let addresses = loop {
            assert!(Instant::now() < deadline, "nobody was asked");
            events.turn(Some(Duration::from_millis(100))).unwrap();
            if let Ok(addresses) = heard.try_recv() {
                break addresses;
            }
        };
        let expected = (
            "192.0.2.1:1".parse().unwrap(),
            "192.0.2.2:2".parse().unwrap(),
        );
        assert_eq!(addresses, expected);
    }

    #[test]
    fn a_large_file_on_a_local_disk_could_not_be_removed_without_a_thread() {
        let home = TempDir::new().unwrap();
        let large = home.path().join("large");
        File::create(&large).unwrap().set_len(1 << 30).unwrap();
        let users = DummyAuthorizer::new();
        let user = User::new("user", "12345", home.path()).perm("ed");
        users.add_user(user).unwrap();
        let pool = Pool::new();
        let limits = Arc::new(Limits::new(0, 0));
        let service = Service::new(FtpHandler::new(users), limits, pool.clone()).unwrap();
        if enter_as_user(&service).lane().is_some() {
            return;
        }
        let (mut client, stream) = sockets();
        client.set_nonblocking(true).unwrap();
        let mut events = alone(connection(&service, stream));
        assert!(pool.shutdown(Duration::from_secs(10)));
        client
            .write_all(b"USER user\r\nPASS 12345\r\nDELE large\r\n")
            .unwrap();
        let mut told = String::new();
        for _ in 0..50 {
            events.turn(Some(Duration::from_millis(100))).unwrap();
            let _ = client.read_to_string(&mut told);
            if told.contains("\n250 ") {
                break;
            }
        }
        assert!(told.contains("\n250 "), "{told}");
        assert!(!large.exists());
    }

    #[test]
    fn guesses_whose_clients_had_left_kept_their_turns() {
        let (told, heard) = mpsc::channel();
        let service = service(FtpHandler::new(Addresses(told)));
        let gate = Arc::new(RwLock::new(()));
        let closed = gate.write().unwrap();
        // More than have threads.
        for _ in 0..100 {
            let gate = Arc::clone(&gate);
            let wait = move || drop(gate.read());
            service.lanes.login.submit(wait).unwrap();
        }
        let (mut client, stream) = sockets();
        let mut events = alone(connection(&service, stream));
        client.write_all(b"USER user\r\nPASS 12345\r\n").unwrap();
        drop(client);
        // All has come. A job that has begun is waited for, for more turns in which nothing comes.
        for _ in 0..20 {
            if events.is_empty() {
                break;
            }
            events.turn(Some(Duration::from_millis(100))).unwrap();
        }
        assert!(events.is_empty(), "the connection stays");
        drop((closed, service));
        assert!(heard.recv().is_err(), "the password was checked");
    }
}
