//! Signals on the loop: SIGTERM and SIGINT, and SIGHUP and SIGUSR2 if they are used.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_ioloop::{
    Context, Direction, Flow, Handler, Interest, Ready, Registration, SourceId, TimerId, contain,
};
use ftpdlib_sys::{Signal, Signals};
use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Registry, Token};

use crate::lifecycle::Lifecycle;
use crate::upgrade::UpgradeLauncher;
use crate::{ServeOptions, ServerError, ServerHandle};

/// Stops the server on the first SIGTERM or SIGINT, and at once on the second.
pub(crate) struct SignalWatcher {
    signals: Registration<SignalSource>,
    server: ServerHandle,
    lifecycle: Rc<Lifecycle>,
    grace: Duration,
    on_reload: Option<Box<dyn FnMut()>>,
    on_stopping: Option<Box<dyn FnOnce()>>,
    upgrade: Option<UpgradeLauncher>,
    stopping: bool,
}

impl SignalWatcher {
    pub(crate) fn new(
        server: ServerHandle,
        lifecycle: Rc<Lifecycle>,
        signals: Arc<Signals>,
        options: ServeOptions,
    ) -> Self {
        Self {
            signals: Registration::new(SignalSource::new(signals)),
            server,
            lifecycle,
            grace: options.shutdown_grace,
            on_reload: options.on_reload,
            on_stopping: options.on_stopping,
            upgrade: options.upgrade.map(UpgradeLauncher::new),
            stopping: false,
        }
    }

    fn stop(&mut self, cx: &mut Context<'_>) {
        if self.stopping {
            self.server.close_all();
            self.lifecycle.stop_at_once();
            return;
        }
        self.stopping = true;
        if let Some(on_stopping) = self.on_stopping.take() {
            contain("on_stopping", on_stopping);
        }
        self.server.drain();
        cx.start_timer_after(self.grace);
        if let Some(launcher) = &mut self.upgrade {
            launcher.cancel(cx);
        }
    }

    fn reload(&mut self) {
        if let Some(reload) = &mut self.on_reload {
            contain("on_reload", reload);
        }
    }

    fn upgrade(&mut self, cx: &mut Context<'_>) {
        match &mut self.upgrade {
            _ if self.stopping => log::info!("SIGUSR2: too late, the server is stopping"),
            // Otherwise it would be unclear which process has taken over.
            _ if !self.lifecycle.has_started() => {
                log::info!("SIGUSR2: too early, the server is starting");
            }
            Some(launcher) => launcher.start(&self.server, cx),
            // SIGUSR2 is not caught without an upgrade.
            None => {}
        }
    }
}

impl Handler for SignalWatcher {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.signals.register(cx, Interest::READ)
    }

    fn ready(&mut self, _: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        let Some(signals) = self.signals.socket() else {
            return Ok(Flow::Close);
        };
        match cx.try_io(signals, Direction::Read, SignalSource::next) {
            Ok(Signal::Terminate | Signal::Interrupt) => self.stop(cx),
            // A reload waits for the start, which may still fail, and which begins with workers of
            // its own.
            Ok(Signal::HangUp) if !self.stopping && !self.lifecycle.has_started() => {
                self.lifecycle.wait_for_start(cx.notifier());
            }
            Ok(Signal::HangUp) => self.reload(),
            Ok(Signal::Upgrade) => self.upgrade(cx),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(Flow::Continue)
    }

    /// Runs the reload that was put off until the start was announced.
    fn notified(&mut self, _: &mut Context<'_>) -> io::Result<Flow> {
        self.reload();
        Ok(Flow::Continue)
    }

    fn timeout(&mut self, _: TimerId, _: &mut Context<'_>) -> io::Result<Flow> {
        let count = self.server.clients();
        let shared = self.server.shared();
        match shared.is_some_and(|shared| shared.supervisor().is_some()) {
            true => log::info!("grace period over, ending {count} process(es)"),
            false => log::info!("grace period over, disconnecting {count} client(s)"),
        }
        self.server.close_all();
        Ok(Flow::Continue)
    }
}

/// The signals as an event source of the loop.
pub(crate) struct SignalSource(Arc<Signals>);

impl SignalSource {
    pub(crate) fn new(signals: Arc<Signals>) -> Self {
        Self(signals)
    }

    /// Returns the next signal; `WouldBlock` if there is none.
    pub(crate) fn next(&self) -> io::Result<Signal> {
        self.0
            .next()?
            .ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }
}

impl Source for SignalSource {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_fd().as_raw_fd()).register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_fd().as_raw_fd()).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.0.as_fd().as_raw_fd()).deregister(registry)
    }
}

/// Catches these signals, if any.
pub(crate) fn catch(caught: &[Signal]) -> Result<Option<Arc<Signals>>, ServerError> {
    if caught.is_empty() {
        return Ok(None);
    }
    match Signals::new(caught) {
        Ok(signals) => Ok(Some(Arc::new(signals))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(ServerError::SignalsCaught)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::net::{Ipv4Addr, TcpStream};
    use std::panic::panic_any;
    use std::process::{self, Command};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::FtpHandler;
    use ftpdlib_ioloop::Pool;

    use crate::processes::{ChildOptions, ParentMailbox, Supervisor};
    use crate::shared::Shared;
    use crate::{Concurrency, FtpServer, FtpServerBuilder};

    use super::*;

    /// Serializes the tests: a process has one `Signals` at a time.
    fn alone() -> MutexGuard<'static, ()> {
        static CATCHING: Mutex<()> = Mutex::new(());
        CATCHING.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn builder() -> FtpServerBuilder {
        FtpServerBuilder::new(FtpHandler::new(DummyAuthorizer::new()))
            .listen((Ipv4Addr::LOCALHOST, 0))
    }

    /// Reports that clients are accepted as soon as the test says so.
    #[derive(Default)]
    struct Slow {
        accepts: AtomicBool,
        mailbox: Arc<ParentMailbox>,
    }

    impl Supervisor for Slow {
        fn model(&self) -> &'static str {
            "slow"
        }

        fn mailbox(&self) -> &Arc<ParentMailbox> {
            &self.mailbox
        }

        fn has_started(&self) -> io::Result<bool> {
            Ok(self.accepts.load(Ordering::Relaxed))
        }

        fn handler(
            self: Arc<Self>,
            _: &Arc<Shared>,
            _: &Pool,
            _: ChildOptions,
        ) -> io::Result<Box<dyn Handler>> {
            unreachable!("the server is not run")
        }
    }

    fn send(signal: &str) {
        let mut kill = Command::new("kill");
        let sent = kill.args(["-s", signal, &process::id().to_string()]);
        assert!(sent.status().unwrap().success());
    }

    /// The payload of a panic that panics when it is dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as the test wants it");
        }
    }

    #[test]
    fn a_callback_that_panicked_took_the_signals_with_it() {
        let _catching = alone();
        let mut server = builder().build().unwrap();
        let mut turn = |options: ServeOptions, seconds| {
            let timeout = Duration::from_secs(seconds);
            let options = options.blocking(false).timeout(timeout);
            server.serve_forever(options).unwrap();
            server.is_over()
        };
        let options = ServeOptions::default()
            .on_reload(|| panic!("as the test wants it"))
            .on_stopping(|| panic_any(Bomb));
        turn(options, 0);
        send("HUP");
        turn(ServeOptions::default(), 30);
        send("TERM");
        assert!((0..9).any(|_| turn(ServeOptions::default(), 30)));
    }

    #[test]
    fn a_reload_did_not_wait_for_the_start() {
        let _catching = alone();
        let service = builder().build().unwrap().shared().service();
        let slow = Arc::new(Slow::default());
        let placement = Concurrency::default().placement();
        let mut server = FtpServer::new_listening(service, Vec::new(), Pool::new(), placement);
        server.shared().set_supervisor(Arc::clone(&slow) as _);

        let lifecycle = Rc::new(Lifecycle::new(Arc::clone(server.shared()), false));
        let signals = Arc::new(Signals::new(&[Signal::HangUp]).unwrap());
        let reloads = Rc::new(Cell::new(0));
        let counted = Rc::clone(&reloads);
        let options = ServeOptions::default().on_reload(move || counted.set(counted.get() + 1));
        let handle = server.handle().unwrap();
        let watcher = SignalWatcher::new(handle, Rc::clone(&lifecycle), signals, options);
        let io_loop = server.io_loop().unwrap();
        io_loop.add(Box::new(watcher)).unwrap();
        let hang_up = || send("HUP");

        for _ in 0..2 {
            hang_up();
            io_loop.turn(None).unwrap();
            lifecycle.announce_start(&mut None).unwrap();
            assert_eq!(reloads.get(), 0);
        }
        slow.accepts.store(true, Ordering::Relaxed);
        lifecycle.announce_start(&mut None).unwrap();
        io_loop.turn(None).unwrap();
        assert_eq!(reloads.get(), 1);
        hang_up();
        io_loop.turn(None).unwrap();
        assert_eq!(reloads.get(), 2);
    }

    #[test]
    fn a_server_that_was_started_again_only_said_that_it_listened() {
        let _catching = alone();
        let mut server = builder().build().unwrap();
        let address = server.local_addrs()[0];
        // The state that an ended server which keeps its signals leaves behind.
        let caught = Signals::new(&[]).unwrap();
        let turn = || {
            ServeOptions::default()
                .blocking(false)
                .timeout(Duration::ZERO)
        };
        let error = server.serve_forever(turn()).unwrap_err();
        assert!(matches!(error, ServerError::SignalsCaught), "{error}");
        let error = error.to_string();
        assert!(
            !error.contains("loop") && !error.contains("another"),
            "{error}"
        );
        drop(caught);
        server.serve_forever(turn()).unwrap();
        assert!(TcpStream::connect(address).is_ok() && !server.is_over());
    }

    #[test]
    fn a_second_server_of_a_process_was_refused_for_an_entity_that_exists() {
        let _catching = alone();
        let turn = || {
            ServeOptions::default()
                .blocking(false)
                .timeout(Duration::ZERO)
        };
        let [mut first, mut second] = [(); 2].map(|()| builder().build().unwrap());
        first.serve_forever(turn()).unwrap();
        let error = second.serve_forever(turn()).unwrap_err().to_string();
        assert!(
            error.contains("signals") && error.contains("handle_exit(false)"),
            "{error}"
        );
        second.serve_forever(turn().handle_exit(false)).unwrap();
    }
}
