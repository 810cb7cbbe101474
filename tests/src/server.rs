//! A server in a thread of the test.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::filesystems::Filesystem;
use ftpdlib::handlers::FtpHandler;
use ftpdlib::servers::{FtpServerBuilder, ServeOptions, ServerHandle};
use tempfile::TempDir;

use crate::client::{Client, USER};
use crate::models;
use crate::wait::PATIENCE;

/// A running server on a port of its own, with a home directory that goes with it. Dropped, it
/// disconnects everybody and waits for its end.
pub struct TestServer {
    handle: ServerHandle,
    ended: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
    home: TempDir,
}

#[expect(
    clippy::missing_panics_doc,
    reason = "every failure is the end of a test"
)]
impl TestServer {
    /// A server with the default settings, but for the delay of failed logins.
    #[track_caller]
    pub fn new() -> Self {
        Self::with(|handler| handler)
    }

    /// A server with other settings of its clients.
    #[track_caller]
    pub fn with(change: impl FnOnce(FtpHandler) -> FtpHandler) -> Self {
        Self::build(change, |builder| builder)
    }

    /// A server whose user sees `filesystem`.
    #[track_caller]
    pub fn showing(filesystem: impl Filesystem + 'static) -> Self {
        let filesystem: Arc<dyn Filesystem> = Arc::new(filesystem);
        Self::with(|handler| handler.abstracted_fs(move |_| Ok(Arc::clone(&filesystem))))
    }

    /// A server with other settings of its clients and of itself.
    #[track_caller]
    pub fn build(
        change: impl FnOnce(FtpHandler) -> FtpHandler,
        build: impl FnOnce(FtpServerBuilder) -> FtpServerBuilder,
    ) -> Self {
        let home = TempDir::new().unwrap();
        let handler = change(handler(home.path()));
        let builder = build(FtpServerBuilder::new(handler).listen((Ipv4Addr::LOCALHOST, 0)));
        Self::run(builder, home)
    }

    /// Runs what `builder` says, in the model that was chosen.
    #[track_caller]
    pub fn run(builder: FtpServerBuilder, home: TempDir) -> Self {
        // The loop of a server belongs to the thread that made it, so it is made over there.
        let (tell_handle, handle) = mpsc::channel();
        let (tell_end, ended) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut server = builder.concurrency(models::chosen()).build().unwrap();
            tell_handle.send(server.handle().unwrap()).unwrap();
            let options = ServeOptions::default().handle_exit(false);
            server.serve_forever(options).unwrap();
            drop(server);
            // Nobody may be listening any more.
            let _ = tell_end.send(());
        });
        Self {
            handle: handle.recv().unwrap(),
            ended,
            thread: Some(thread),
            home,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.handle.local_addrs()[0]
    }

    /// A client that is logged in.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::login(self.address())
    }

    /// Its remote control.
    pub fn handle(&self) -> &ServerHandle {
        &self.handle
    }

    /// The home directory.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The real path of a file of the home directory.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.home().join(name)
    }

    /// Puts a file into the home directory.
    #[track_caller]
    pub fn file(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Reads a file of the home directory.
    #[track_caller]
    pub fn content(&self, name: impl AsRef<Path>) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Checks that somebody can still log in, and leave.
    #[track_caller]
    pub fn check_serves(&self) {
        let mut client = self.client();
        client.play(&[("NOOP", 200), ("QUIT", 221)]);
        client.expect_end();
    }

    /// Waits for the server to end by itself.
    #[track_caller]
    pub fn wait_for_end(&self) {
        self.ended
            .recv_timeout(PATIENCE)
            .expect("the server has not ended");
    }
}

impl Default for TestServer {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.handle.close_all();
        let Some(thread) = self.thread.take() else {
            return;
        };
        if thread::panicking() {
            // What failed may be what its end waits for.
            return;
        }
        thread.join().expect("the server panicked");
    }
}

/// How the clients of a [`TestServer`] are served: one user, [`USER`], who may do everything in
/// `home`.
///
/// # Panics
///
/// There is no such directory.
#[track_caller]
pub fn handler(home: &Path) -> FtpHandler {
    let authorizer = DummyAuthorizer::new();
    let user = User::new(USER.0, USER.1, home).perm("elradfmwMT");
    authorizer.add_user(user).unwrap();
    FtpHandler::new(authorizer).auth_failed_timeout(Duration::from_millis(1))
}
