//! The asynchronous server.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use ftpdlib_handlers::{FtpHandler, Service};
use ftpdlib_ioloop::{HandlerId, IoLoop, Pool, contain};
use ftpdlib_sys::Signals;

use crate::accepting::BoundListener;
use crate::attachment::Attachment;
use crate::lifecycle::Lifecycle;
use crate::placement::Placement;
use crate::processes::{self, ChildOptions, Supervisor};
use crate::refresh::Refresh;
use crate::shared::Shared;
use crate::signals::{self, SignalWatcher};
use crate::{AddressOrSocket, FtpServerBuilder, ServeOptions, ServerError, ServerHandle, upgrade};

/// How long a dropped server waits for its clients to be disconnected, and then again for the
/// threads that served them.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the loop keeps turning after a second signal: long enough for a turn of every loop.
const LAST_TURNS: Duration = Duration::from_millis(100);

/// How long the server waits for jobs after a second signal.
const LAST_JOBS: Duration = Duration::from_secs(1);

/// An FTP server (pyftpdlib: `FTPServer`), on one event loop unless
/// [`FtpServerBuilder::concurrency`] says otherwise.
///
/// Dropping it disconnects all clients, as [`close_all`](Self::close_all) does (pyftpdlib: the end
/// of a `with` block).
///
/// # Examples
///
/// ```no_run
/// use std::net::Ipv4Addr;
///
/// use ftpdlib_authorizers::DummyAuthorizer;
/// use ftpdlib_handlers::FtpHandler;
/// use ftpdlib_servers::{FtpServer, ServeOptions};
///
/// let authorizer = DummyAuthorizer::new();
/// authorizer.add_anonymous("/srv/ftp")?;
/// let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 2121), FtpHandler::new(authorizer))?;
/// server.serve_forever(ServeOptions::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FtpServer {
    shared: Arc<Shared>,
    /// The listeners that are not yet given to the loop.
    listeners: Vec<BoundListener>,
    io_loop: Option<IoLoop>,
    lifecycle: Option<Rc<Lifecycle>>,
    pool: Pool,
    /// Held until the server has ended: a signal before that must not kill the process and leave
    /// its children behind.
    signals: Option<Arc<Signals>>,
    keep_signals: bool,
    /// Called once clients are accepted.
    on_started: Option<Box<dyn FnOnce()>>,
    /// Whether the server has ended.
    over: bool,
}

impl FtpServer {
    /// Creates a server that listens on `address` and serves clients as `handler` says, with the
    /// default limits; to set others, use [`FtpServerBuilder`].
    ///
    /// # Errors
    ///
    /// [`ServerError`] if a setting is invalid or the address cannot be used.
    pub fn new(
        address: impl Into<AddressOrSocket>,
        handler: impl Into<FtpHandler>,
    ) -> Result<Self, ServerError> {
        FtpServerBuilder::new(handler).listen(address).build()
    }

    pub(crate) fn new_listening(
        service: Arc<Service>,
        listeners: Vec<BoundListener>,
        pool: Pool,
        placement: Arc<dyn Placement>,
    ) -> Self {
        let addresses = listeners.iter().map(BoundListener::address).collect();
        let shared = Arc::new(Shared::new(service, addresses, placement));
        Self {
            shared,
            listeners,
            io_loop: None,
            lifecycle: None,
            pool,
            signals: None,
            keep_signals: false,
            on_started: None,
            over: false,
        }
    }

    /// Serves clients until the server is stopped: by [`ServerHandle`], by a signal, or because
    /// [`close`](Self::close) was called and the last client has left.
    ///
    /// With [`blocking`](ServeOptions::blocking) off, it makes one turn of the loop and returns the
    /// time until the next timer, if any; [`is_over`](Self::is_over) says whether the server was
    /// stopped. The options of the call that starts the server stay in force, except for the two
    /// that concern a single turn.
    ///
    /// Does nothing if the server is over: a server does not start twice.
    ///
    /// # Errors
    ///
    /// [`ServerError`] if the loop fails, if an option cannot be met (other processes are to serve,
    /// but this one has several threads; its signals are caught already), or if the processes that
    /// serve could not be started or died before any of them accepted clients; see
    /// [`on_started`](ServeOptions::on_started). The call may be repeated unless the server [is
    /// over](Self::is_over), which it is if it had begun to accept clients.
    pub fn serve_forever(
        &mut self,
        options: ServeOptions,
    ) -> Result<Option<Duration>, ServerError> {
        if self.over {
            return Ok(None);
        }
        let (timeout, blocking) = (options.timeout, options.blocking);
        self.start(options)?;
        let (Some(io_loop), Some(lifecycle)) = (&mut self.io_loop, &mut self.lifecycle) else {
            return Ok(None);
        };
        while !blocking || !lifecycle.is_over() {
            let next = io_loop.turn(timeout)?;
            if let Err(error) = lifecycle.announce_start(&mut self.on_started) {
                let _ = self.close_all();
                return Err(error.into());
            }
            if lifecycle.is_over() {
                break;
            }
            if !blocking {
                return Ok(next);
            }
        }
        // The server sends clients the reason and logs their ends, even after a second signal.
        turn_until_over(io_loop, &self.shared, LAST_TURNS)?;
        lifecycle.log_stop();
        self.finish();
        Ok(None)
    }

    /// Serves clients on `io_loop`, which the caller runs (pyftpdlib: the `ioloop` argument). Two
    /// servers and a program's own timers may share one loop. All clients are served on that one,
    /// unless each has a thread or a process. What such a process has of the other handlers on the
    /// loop, [`MultiprocessFtpServer`](crate::MultiprocessFtpServer) tells.
    ///
    /// Handles that the server gave out before control it on this loop from now on. If one of them
    /// has closed the server, no client is admitted; a change of addresses that one of them
    /// requested earlier is lost.
    ///
    /// The loop does not become empty until the server is over and its jobs are done, or 5 seconds
    /// have passed since the last client left: once [`IoLoop::run`] has returned by itself,
    /// observers have been told of the last transfers. If the loop is stopped or dropped before
    /// that, they may not have been. A server that is over adds nothing to the loop.
    ///
    /// # Errors
    ///
    /// The system refuses a listener or the process for each client; `InvalidInput` if
    /// [`serve_forever`](Self::serve_forever) has begun to start the server and it is not over.
    /// Nothing is left on the loop then.
    pub fn attach(mut self, io_loop: &mut IoLoop) -> io::Result<ServerHandle> {
        if self.over {
            return Ok(ServerHandle::new(&self.shared, io_loop.handle()));
        }
        if self.shared.accepting().is_some() {
            let problem = "a server that has a loop already cannot be attached to another";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        // If the server were dropped with its own loop, it would disconnect the sessions on the
        // other one.
        self.io_loop = None;
        let supervisor = self.shared.supervisor();
        let parent = supervisor.map(|supervisor| {
            self.shared.service().find_masquerade_address();
            (supervisor, ChildOptions::default())
        });
        let parent = prepare_loop(&self.shared, parent, &self.pool, io_loop)?;
        let attachment = Attachment::new(&self.shared, &self.pool, parent);
        let attachment = io_loop.add(Box::new(attachment))?;
        // A handle that closes the server from here on reaches this loop.
        fence(Ordering::SeqCst);
        let closing = self.shared.is_closing();
        if closing {
            self.listeners.clear();
        }
        let listeners = std::mem::take(&mut self.listeners);
        if let Err(error) = accept_on(&self.shared, listeners, io_loop) {
            // The handlers added so far would stay on the loop, and the caller has no handle to end
            // them.
            io_loop.remove(attachment);
            return Err(error);
        }
        let handle = ServerHandle::new(&self.shared, io_loop.handle());
        if closing {
            handle.close();
        }
        Ok(handle)
    }

    /// Returns a handle that controls this server from any thread.
    ///
    /// # Errors
    ///
    /// The loop cannot be created.
    pub fn handle(&mut self) -> io::Result<ServerHandle> {
        let shared = Arc::clone(&self.shared);
        Ok(ServerHandle::new(&shared, self.io_loop()?.handle()))
    }

    /// Stops accepting clients. Connected clients are still served, and
    /// [`serve_forever`](Self::serve_forever) returns when the last one has left.
    ///
    /// # Errors
    ///
    /// The loop cannot be created.
    pub fn close(&mut self) -> io::Result<()> {
        self.listeners.clear();
        self.handle()?.close();
        Ok(())
    }

    /// Disconnects all clients and waits for that for at most 5 seconds, then as long again for
    /// threads that hang.
    ///
    /// # Errors
    ///
    /// The loop fails.
    pub fn close_all(&mut self) -> io::Result<()> {
        self.listeners.clear();
        let Some(io_loop) = &mut self.io_loop else {
            self.over = true;
            return Ok(());
        };
        ServerHandle::new(&self.shared, io_loop.handle()).close_all();
        turn_until_over(io_loop, &self.shared, CLOSE_TIMEOUT)?;
        self.finish();
        Ok(())
    }

    /// Whether the server was stopped and everything that serves clients has ended. A caller that
    /// makes single turns has to continue until then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::net::Ipv4Addr;
    /// # use std::time::Duration;
    /// # use ftpdlib_authorizers::DummyAuthorizer;
    /// # use ftpdlib_handlers::FtpHandler;
    /// # use ftpdlib_servers::{FtpServer, ServeOptions};
    /// # let handler = FtpHandler::new(DummyAuthorizer::new());
    /// let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 0), handler)?;
    /// # server.close()?;
    /// while !server.is_over() {
    ///     let turn = ServeOptions::default().blocking(false).timeout(Duration::from_millis(100));
    ///     server.serve_forever(turn)?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The addresses that the server listens on, with the ports actually bound.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.shared.listeners().addresses()
    }

    /// Gives the listeners to the loop and catches signals, on the first call.
    fn start(&mut self, options: ServeOptions) -> Result<(), ServerError> {
        if self.lifecycle.is_some() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let supervisor = processes::supervisor(&shared, &options)?;
        upgrade::find_predecessor();
        if supervisor.is_some() {
            // The processes that serve inherit the result. This may take long, so it comes before
            // signals are caught: until then, a signal ends the process.
            shared.service().find_masquerade_address();
        }
        let signals = signals::catch(&options.signals())?;
        let pool = self.pool.clone();
        let parent = supervisor.as_ref().map(|it| (it, (&options).into()));
        prepare_loop(&shared, parent, &pool, self.io_loop()?)?;
        // From here on, these options stay in force.
        self.signals = signals;
        self.keep_signals = options.keep_signals;
        if let Some(supervisor) = supervisor {
            shared.set_supervisor(supervisor);
        }
        let started = self.start_accepting(options);
        if started.is_err() {
            // The failure may have closed listeners, so the server cannot continue.
            let _ = self.close_all();
        }
        Ok(started?)
    }

    /// The part of [`start`](Self::start) that cannot be repeated after a failure.
    fn start_accepting(&mut self, mut options: ServeOptions) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let listeners = std::mem::take(&mut self.listeners);
        let handle = self.handle()?;
        let signals = self.signals.clone();
        self.on_started = options.on_started.take();
        let io_loop = self.io_loop()?;
        accept_on(&shared, listeners, io_loop)?;
        let is_run = options.blocking && options.timeout.is_none();
        if is_run && shared.supervisor().is_none() {
            shared.placement().start()?;
        }
        if let Some((interval, mut alive)) = options.watchdog.take() {
            let shared = Arc::clone(&shared);
            io_loop.call_every(interval, move |_| {
                if shared.placement().is_alive() {
                    contain("watchdog", &mut alive);
                }
            });
        }
        let lifecycle = Rc::new(Lifecycle::new(Arc::clone(&shared), options.handle_exit));
        if let Some(signals) = signals {
            let watcher = SignalWatcher::new(handle, Rc::clone(&lifecycle), signals, options);
            io_loop.add(Box::new(watcher))?;
        }
        // Signals must be caught by now: a program that reads the start line may send one.
        self.lifecycle
            .insert(lifecycle)
            .announce_start(&mut self.on_started)
    }

    /// Ends the loop that accepts, then the other loops, then the thread pool that runs their jobs.
    fn finish(&mut self) {
        self.over = true;
        self.io_loop = None;
        let lifecycle = self.lifecycle.take();
        let until = Instant::now() + CLOSE_TIMEOUT;
        self.shared.placement().finish(CLOSE_TIMEOUT);
        // The pool's threads tell observers of the last transfers.
        let most = match lifecycle.is_some_and(|it| it.is_at_once()) {
            true => LAST_JOBS,
            false => until.saturating_duration_since(Instant::now()),
        };
        if !self.pool.shutdown(most.max(LAST_TURNS)) {
            warn_of_lost_events();
        }
        if let Some(signals) = self.signals.take()
            && self.keep_signals
        {
            // The signals stay caught, but are no longer read.
            std::mem::forget(signals);
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn io_loop(&mut self) -> io::Result<&mut IoLoop> {
        match &mut self.io_loop {
            Some(io_loop) => Ok(io_loop),
            none => Ok(none.insert(IoLoop::new()?)),
        }
    }
}

impl fmt::Debug for FtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FtpServer")
            .field("local_addrs", &self.local_addrs())
            .field("model", &self.shared.model())
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

impl Drop for FtpServer {
    fn drop(&mut self) {
        if let Err(error) = self.close_all() {
            log::error!("closing the server: {error}");
        }
    }
}

/// Logs that the server no longer waits for jobs.
pub(crate) fn warn_of_lost_events() {
    log::warn!(
        "threads are left behind that have not ended: observers, such as transfer logs, may miss \
         the last events"
    );
}

/// Turns the loop until the last client has left, or `most` has passed.
fn turn_until_over(io_loop: &mut IoLoop, shared: &Shared, most: Duration) -> io::Result<()> {
    let until = Instant::now() + most;
    while !shared.is_over() {
        io_loop.turn(Some(Duration::from_millis(10)))?;
        if Instant::now() >= until {
            break;
        }
    }
    Ok(())
}

/// Makes `io_loop` the accepting loop, and adds the handler of the supervisor, if other processes
/// are to serve.
fn prepare_loop(
    shared: &Arc<Shared>,
    supervisor: Option<(&Arc<dyn Supervisor>, ChildOptions)>,
    pool: &Pool,
    io_loop: &mut IoLoop,
) -> io::Result<Option<HandlerId>> {
    ftpdlib_sys::survive_file_size_limit();
    shared.set_accepting(io_loop.handle());
    let Some((supervisor, options)) = supervisor else {
        return Ok(None);
    };
    let parent = Arc::clone(supervisor).handler(shared, pool, options)?;
    io_loop.add(parent).map(Some)
}

/// Has `io_loop` accept the clients of `listeners`.
fn accept_on(
    shared: &Arc<Shared>,
    listeners: Vec<BoundListener>,
    io_loop: &mut IoLoop,
) -> io::Result<()> {
    shared
        .listeners()
        .open(listeners, shared, |acceptor| io_loop.add(acceptor))?;
    io_loop.add(Box::new(Refresh::new(shared)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};
    use std::sync::atomic::AtomicBool;

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_ioloop::{Acceptor, Context, Flow, Handler, Ready, SourceId};
    use mio::net::TcpListener;

    use crate::processes::ParentMailbox;

    use super::*;

    fn server() -> FtpServer {
        builder().build().unwrap()
    }

    fn builder() -> FtpServerBuilder {
        FtpServerBuilder::new(FtpHandler::new(DummyAuthorizer::new()))
            .listen((Ipv4Addr::LOCALHOST, 0))
    }

    /// Whether a listener accepts connections on `address`.
    fn listens(address: SocketAddr) -> bool {
        TcpStream::connect(address).is_ok()
    }

    fn is_over(handle: &ServerHandle) -> bool {
        handle.shared().is_none_or(|shared| shared.is_over())
    }

    #[track_caller]
    fn check_ends(io_loop: &mut IoLoop, address: SocketAddr) {
        for _ in 0..10 {
            io_loop.turn(Some(Duration::ZERO)).unwrap();
        }
        assert!(!listens(address));
        assert!(io_loop.is_empty());
    }

    #[test]
    fn a_handle_from_before_attach_left_a_server_that_turned_everybody_away() {
        let (mut server, mut io_loop) = (server(), IoLoop::new().unwrap());
        let (address, before) = (server.local_addrs()[0], server.handle().unwrap());
        let handle = server.attach(&mut io_loop).unwrap();
        assert!(listens(address));
        before.close_all();
        check_ends(&mut io_loop, address);
        assert!(is_over(&handle));
    }

    #[test]
    fn a_server_that_was_closed_before_attach_let_clients_in() {
        let (mut server, mut io_loop) = (server(), IoLoop::new().unwrap());
        let address = server.local_addrs()[0];
        server.handle().unwrap().close_all();
        let handle = server.attach(&mut io_loop).unwrap();
        check_ends(&mut io_loop, address);
        assert!(is_over(&handle));
    }

    /// A supervisor whose second listener cannot be added to the loop.
    #[derive(Default)]
    struct OneListener {
        mailbox: Arc<ParentMailbox>,
        /// Whether the first listener is lent to children, or accepts on the loop.
        lends: bool,
        has_first: AtomicBool,
    }

    impl Supervisor for OneListener {
        fn model(&self) -> &'static str {
            "one listener"
        }

        fn mailbox(&self) -> &Arc<ParentMailbox> {
            &self.mailbox
        }

        fn handler(
            self: Arc<Self>,
            _: &Arc<Shared>,
            _: &Pool,
            _: ChildOptions,
        ) -> io::Result<Box<dyn Handler>> {
            Ok(Box::new(Starting(Ok(()))))
        }

        fn lend(&self, socket: TcpListener) -> Box<dyn Handler> {
            match (self.has_first.swap(true, Ordering::Relaxed), self.lends) {
                (true, _) => Box::new(Starting(Err(io::ErrorKind::StorageFull))),
                (false, true) => self.mailbox.lend(socket),
                (false, false) => Box::new(Acceptor::new(socket, |_, _, _| {
                    unreachable!("nobody connects")
                })),
            }
        }
    }

    /// A handler whose start has this result.
    struct Starting(Result<(), io::ErrorKind>);

    impl Handler for Starting {
        fn start(&mut self, _: &mut Context<'_>) -> io::Result<()> {
            Ok(self.0?)
        }

        fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
            Ok(Flow::Continue)
        }
    }

    #[track_caller]
    fn check_attaches_nothing(lends: bool) {
        let mut server = builder().listen((Ipv4Addr::LOCALHOST, 0)).build().unwrap();
        server.shared.set_supervisor(Arc::new(OneListener {
            lends,
            ..OneListener::default()
        }));
        let (addresses, before) = (server.local_addrs(), server.handle().unwrap());
        let mut io_loop = IoLoop::new().unwrap();
        server.attach(&mut io_loop).unwrap_err();
        assert!(io_loop.is_empty());
        assert!(!addresses.into_iter().any(listens));
        assert!(is_over(&before));
    }

    #[test]
    fn a_server_that_could_not_be_attached_went_on_with_its_first_listener() {
        check_attaches_nothing(false);
        check_attaches_nothing(true);
    }

    #[test]
    fn a_server_closed_before_it_had_a_loop_was_never_over() {
        let mut server = server();
        server.close_all().unwrap();
        assert!(server.is_over());
    }
}
