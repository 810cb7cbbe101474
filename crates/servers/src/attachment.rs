//! The end of a server that runs on its program's loop.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ftpdlib_ioloop::{Context, Flow, Handler, HandlerId, Pool, Ready, SourceId, TimerId};

use crate::server::{CLOSE_TIMEOUT, warn_of_lost_events};
use crate::shared::Shared;

/// How often to check whether the last jobs are done.
const JOBS_CHECK: Duration = Duration::from_millis(10);

/// Keeps a program's loop busy until the attached server is over, wherever its clients are served,
/// and its jobs are done, which tell observers of the last transfers.
pub(crate) struct Attachment {
    shared: Arc<Shared>,
    pool: Pool,
    /// The handler that supervises the processes that serve, if there are any.
    parent: Option<HandlerId>,
    /// Until when to wait for jobs, set when the last client has left.
    until: Option<Instant>,
}

impl Attachment {
    pub(crate) fn new(shared: &Arc<Shared>, pool: &Pool, parent: Option<HandlerId>) -> Self {
        Self {
            shared: Arc::clone(shared),
            pool: pool.clone(),
            parent,
            until: None,
        }
    }

    fn wait_for_jobs(&mut self, cx: &mut Context<'_>) -> Flow {
        let until = *self.until.get_or_insert_with(|| cx.now() + CLOSE_TIMEOUT);
        if self.pool.is_idle() {
            return Flow::Close;
        }
        if cx.now() >= until {
            warn_of_lost_events();
            return Flow::Close;
        }
        cx.start_timer_after(JOBS_CHECK);
        Flow::Continue
    }
}

impl Handler for Attachment {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.shared.set_attachment(cx.notifier());
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(Flow::Continue)
    }

    /// Called when the server is closed, and when a client leaves after that.
    fn notified(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        if self.until.is_some() || !self.shared.is_over() {
            return Ok(Flow::Continue);
        }
        Ok(self.wait_for_jobs(cx))
    }

    fn timeout(&mut self, _: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
        Ok(self.wait_for_jobs(cx))
    }

    /// Ends the server's sessions, which may have threads of their own, and removes its other
    /// handlers from the loop: the attachment may be closed before the server is over.
    fn closed(&mut self, _: Option<io::Error>, cx: &mut Context<'_>) {
        self.shared.service().sessions().end();
        self.shared.close(|handler| cx.remove(handler));
        if let Some(parent) = self.parent {
            cx.remove(parent);
        }
        if let Some(mailbox) = self.shared.mailbox() {
            mailbox.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{Ipv4Addr, TcpStream};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{self, Receiver};

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::{FtpHandler, ObservedSession, Observer};
    use ftpdlib_ioloop::IoLoop;

    use crate::{Concurrency, FtpServer, FtpServerBuilder, ServeOptions};

    use super::*;

    /// Takes a while to note that a client has left, unless the loop has ended by then.
    struct Slow {
        loop_ended: Mutex<Receiver<()>>,
        noted: Arc<AtomicBool>,
    }

    impl Observer for Slow {
        fn on_disconnect(&self, _: &ObservedSession) {
            let loop_ended = self.loop_ended.lock().unwrap();
            // An error also means the end.
            let _ = loop_ended.recv_timeout(Duration::from_millis(200));
            self.noted.store(true, Ordering::Release);
        }
    }

    #[track_caller]
    fn check_waits_for_observers(concurrency: Concurrency) {
        let (ended, loop_ended) = mpsc::channel();
        let (loop_ended, noted) = (Mutex::new(loop_ended), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&noted);
        let handler = FtpHandler::new(DummyAuthorizer::new()).observer(Slow { loop_ended, noted });
        let server = FtpServerBuilder::new(handler)
            .listen((Ipv4Addr::LOCALHOST, 0))
            .concurrency(concurrency)
            .build()
            .unwrap();
        let mut io_loop = IoLoop::new().unwrap();
        let handle = server.attach(&mut io_loop).unwrap();
        let _client = TcpStream::connect(handle.local_addrs()[0]).unwrap();
        while handle.clients() == 0 {
            io_loop.turn(Some(JOBS_CHECK)).unwrap();
        }
        handle.close_all();
        io_loop.run().unwrap();
        let noted = told.load(Ordering::Acquire);
        drop(ended);
        assert!(noted);
    }

    #[test]
    fn a_server_that_had_run_kept_the_loop_that_it_was_attached_to() {
        let run = || {
            let handler = FtpHandler::new(DummyAuthorizer::new());
            let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 0), handler).unwrap();
            let turn = ServeOptions::default().handle_exit(false).blocking(false);
            server.serve_forever(turn.timeout(Duration::ZERO)).unwrap();
            server
        };
        let mut io_loop = IoLoop::new().unwrap();
        let mut over = run();
        over.close_all().unwrap();
        let handle = over.attach(&mut io_loop).unwrap();
        assert!(io_loop.is_empty());
        assert_eq!(handle.clients(), 0);
        // The server's sessions are on a loop of its own.
        run().attach(&mut io_loop).unwrap_err();
        assert!(io_loop.is_empty());
    }

    #[test]
    fn clients_with_threads_were_served_on_after_the_end_of_the_loop() {
        for concurrency in [
            Concurrency::default(),
            Concurrency::Async { threads: 2 },
            Concurrency::MultiThread,
        ] {
            let server = FtpServerBuilder::new(FtpHandler::new(DummyAuthorizer::new()))
                .listen((Ipv4Addr::LOCALHOST, 0))
                .concurrency(concurrency)
                .build()
                .unwrap();
            let mut io_loop = IoLoop::new().unwrap();
            let handle = server.attach(&mut io_loop).unwrap();
            let mut client = TcpStream::connect(handle.local_addrs()[0]).unwrap();
            client.set_read_timeout(Some(CLOSE_TIMEOUT)).unwrap();
            while handle.clients() == 0 {
                io_loop.turn(Some(JOBS_CHECK)).unwrap();
            }
            drop(io_loop);
            let mut heard = Vec::new();
            if let Err(error) = client.read_to_end(&mut heard) {
                let kind = error.kind();
                assert_eq!(kind, io::ErrorKind::ConnectionReset, "{concurrency:?}");
            }
        }
    }

    #[test]
    fn a_loop_ended_before_observers_knew_of_the_last_clients() {
        check_waits_for_observers(Concurrency::default());
        check_waits_for_observers(Concurrency::MultiThread);
    }
}
