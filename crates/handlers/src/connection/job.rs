//! The session's jobs, on the loop or on threads; and what becomes of those there that nobody waits
//! for any more.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use ftpdlib_authorizers::client_network;
use ftpdlib_ioloop::{Context, Task};
use ftpdlib_proto::TransferEnd;
use ftpdlib_session::{Action, Answer, Job, JobOutcome, Refusal, Secret};

use super::Connection;
use crate::jobs::{self, Cancel, Checked, CommandCall, Credentials, LoginEnd, Opened, Payload};

/// A job on a thread.
pub(super) struct RunningJob {
    task: Task<Ended>,
    /// Of a digest or a copy.
    cancel: Option<Cancel>,
}

impl RunningJob {
    /// A job that nothing stops.
    fn short(task: Task<Ended>) -> Self {
        Self { task, cancel: None }
    }
}

/// What a job on a thread came to.
enum Ended {
    /// Whether the credentials are right.
    Checked(Checked),
    /// The filesystem of who is let in.
    HomeOpened(LoginEnd),
    /// The answer to any other job.
    Answered(Untaken),
}

impl Ended {
    fn answered(outcome: JobOutcome<Payload>) -> Self {
        Self::Answered(Untaken(Some(outcome)))
    }
}

impl Connection {
    /// Runs a short job, or starts it on a thread.
    pub(super) fn run_job(&mut self, job: Job, cx: &mut Context<'_>) {
        let now = cx.now();
        if let Action::Registered { .. } = job.action {
            return self.run_command(job, cx);
        }
        let Some(account) = &self.account else {
            self.session.handle_job(Err(Refusal::local_error()), now);
            return;
        };
        let is_large = || jobs::removes_much(account, &job.action);
        let lane = account
            .lane()
            .or_else(|| is_large().then(|| account.large_lane()));
        match lane {
            None => {
                let outcome = jobs::run(account, job);
                self.session.handle_job(outcome, now);
            }
            Some(lane) => {
                let user = Arc::clone(account);
                let job = move || Ended::answered(jobs::run(&user, job));
                let task = Task::spawn_while_wanted(lane, &cx.notifier(), job);
                self.await_job(task.map(RunningJob::short), cx);
            }
        }
    }

    fn run_command(&mut self, job: Job, cx: &mut Context<'_>) {
        let call = CommandCall {
            client: Arc::clone(&self.client),
            account: self.account.clone(),
            secure: self.session.is_secure(),
        };
        let lane = &self.client.service.command_lane;
        let job = move || Ended::answered(call.run(job));
        let task = Task::spawn_while_wanted(lane, &cx.notifier(), job);
        self.await_job(task.map(RunningJob::short), cx);
    }

    /// Lets a user in, or has threads do it.
    pub(super) fn log_in(
        &mut self,
        username: String,
        password: Option<Secret<Arc<str>>>,
        cx: &mut Context<'_>,
    ) {
        let credentials = Credentials {
            client: Arc::clone(&self.client),
            username,
            password: password.map(|Secret(password)| password),
            certificate: self.security.certificate().cloned(),
            secure: self.session.is_secure(),
        };
        if credentials.are_checked_at_once() {
            return self.open_home(credentials.check(), cx);
        }
        let network = client_network(self.client.peer);
        let check = move || Ended::Checked(credentials.check());
        let task = Task::spawn_for(
            &self.client.service.login_lane,
            network,
            &cx.notifier(),
            check,
        );
        self.await_job(task.map(RunningJob::short), cx);
    }

    /// Goes on with a login whose credentials were checked: a home directory that hangs holds up
    /// those who live there, and not whoever logs in.
    fn open_home(&mut self, checked: Checked, cx: &mut Context<'_>) {
        let login = match checked {
            Err(refusal) => return self.session.handle_job(Err(refusal), cx.now()),
            Ok(None) => {
                let answer = Ok(Answer::PasswordNeeded);
                return self.session.handle_job(answer, cx.now());
            }
            Ok(Some(login)) => login,
        };
        if jobs::enters_at_once(&self.client, &login) {
            let end = jobs::enter(&self.client, login);
            return self.finish_login(end, cx.now());
        }
        let lanes = self.client.service.home_lanes(&login.home);
        let client = Arc::clone(&self.client);
        let enter = move || Ended::HomeOpened(jobs::enter(&client, login));
        let task = Task::spawn_while_wanted(&lanes.jobs, &cx.notifier(), enter);
        self.await_job(task.map(RunningJob::short), cx);
    }

    fn await_job(&mut self, job: io::Result<RunningJob>, cx: &Context<'_>) {
        match job {
            Ok(job) => self.job = Some(job),
            Err(error) => {
                log::error!("{} no thread for a job: {error}", self.log_prefix());
                self.session
                    .handle_job(Err(Refusal::local_error()), cx.now());
            }
        }
    }

    /// Keeps what a login made, for the jobs to come.
    fn finish_login(&mut self, end: LoginEnd, now: Instant) {
        let outcome = end.map(|(account, facts)| {
            self.account = Some(account);
            Answer::Login(facts)
        });
        self.session.handle_job(outcome, now);
    }

    /// Starts a digest or a copy: never on the loop, and not beside short jobs of a local disk.
    pub(super) fn start_work(&mut self, job: Job, cx: &mut Context<'_>) {
        let Some(account) = &self.account else {
            return self
                .session
                .handle_job(Err(Refusal::local_error()), cx.now());
        };
        let lane = account
            .work_lane()
            .unwrap_or(&self.client.service.work_lane);
        let user = Arc::clone(account);
        let started = lane.start(&cx.notifier(), move |time| {
            Ended::answered(jobs::run_work(&user, job, time))
        });
        let work = started.map(|(task, cancel)| RunningJob {
            task,
            cancel: Some(cancel),
        });
        self.await_job(work, cx);
    }

    /// Lets a digest or a copy end at its next piece.
    pub(super) fn cancel_work(&self) {
        if let Some(cancel) = self.job.as_ref().and_then(|job| job.cancel.as_ref()) {
            cancel.cancel();
        }
    }

    /// Takes the result of a job that ended; one that panicked was refused.
    pub(super) fn job_ended(&mut self, cx: &mut Context<'_>) {
        let Some(ended) = self.job.as_ref().and_then(|job| job.task.take()) else {
            return;
        };
        self.job = None;
        let outcome = match ended {
            Ok(Ended::Checked(checked)) => return self.open_home(checked, cx),
            Ok(Ended::HomeOpened(end)) => return self.finish_login(end, cx.now()),
            Ok(Ended::Answered(untaken)) => untaken.take(),
            Err(_) => Err(Refusal::local_error()),
        };
        self.session.handle_job(outcome, cx.now());
    }
}

/// What a job came to, until somebody takes it. Dropped before that, whose client did not wait for
/// a disk that hung, it discards what was opened.
struct Untaken(Option<JobOutcome<Payload>>);

impl Untaken {
    fn take(mut self) -> JobOutcome<Payload> {
        // It is there: only this and the end take it.
        self.0.take().unwrap_or_else(|| Err(Refusal::local_error()))
    }
}

impl Drop for Untaken {
    fn drop(&mut self) {
        if let Some(Ok(Answer::Opened { payload, .. })) = self.0.take() {
            discard(payload);
        }
    }
}

/// Closes what a job opened and nobody will use. A file that was to be replaced keeps its content:
/// there was no data connection, or none that could be told from a stranger's.
pub(super) fn discard(payload: Payload) {
    let Payload { account, opened } = payload;
    let Opened::Write(file) = opened else {
        return;
    };
    let lane = jobs::upload_lane(&account, &*file, 0).cloned();
    let user = Arc::clone(&account);
    let close = move || {
        drop(jobs::finish(&account, file, &TransferEnd::Unsecured));
    };
    let Some(lane) = lane else {
        return close();
    };
    if let Err(error) = lane.submit(close) {
        log::error!("{user} no thread to close a file: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::SocketAddr;
    use std::sync::mpsc;
    use std::time::Duration;

    use ftpdlib_authorizers::{AuthenticationFailed, Authorizer, Login, LoginRequest};
    use ftpdlib_proto::{Perm, VirtualPath};

    use super::*;
    use crate::testing::{alone, service, sockets};
    use crate::{FtpHandler, ProxiedClient};

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
}
