//! A server in a thread of the test, or, in a model of several processes, the program.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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
#[cfg(target_os = "linux")]
use crate::program::Program;
use crate::settings::{self, ACCOUNT, Account, Setting};
use crate::wait::{PATIENCE, wait_until};

/// A running server on a port of its own, with a home directory that goes with it. Dropped, it
/// disconnects everybody and waits for its end.
///
/// In a model of several processes it is the program, since a process with threads, as that of a
/// test, is not forked. There is only what a configuration file can say then: tests that give the
/// server code or values of their own, or that reach for its [`handle`](Self::handle), are not for
/// those models.
pub struct TestServer {
    running: Running,
    home: TempDir,
}

enum Running {
    Here {
        handle: ServerHandle,
        ended: mpsc::Receiver<()>,
        thread: Option<JoinHandle<()>>,
    },
    #[cfg(target_os = "linux")]
    Program(Program),
}

#[expect(
    clippy::missing_panics_doc,
    reason = "every failure is the end of a test"
)]
impl TestServer {
    /// A server with the default settings, but for the delay of failed logins.
    #[track_caller]
    pub fn new() -> Self {
        Self::set(&[])
    }

    /// A server with these settings, by their names in the configuration file.
    #[track_caller]
    pub fn set(settings: &[Setting<'_>]) -> Self {
        let ip = Ipv4Addr::LOCALHOST.into();
        Self::configured(ip, TempDir::new().unwrap(), &[ACCOUNT], settings).unwrap()
    }

    /// A server of an address with these users and settings.
    ///
    /// # Errors
    ///
    /// A setting that is not known to the tests, or a value that is none.
    #[track_caller]
    pub fn configured(
        ip: IpAddr,
        home: TempDir,
        accounts: &[Account<'_>],
        settings: &[Setting<'_>],
    ) -> Result<Self, Box<dyn Error>> {
        let builder = settings::library(home.path(), accounts, settings)?;
        #[cfg(target_os = "linux")]
        if let Some(options) = models::processes() {
            let text = settings::configuration(ip, home.path(), accounts, settings);
            let running = Running::Program(Program::configured(options, &text));
            return Ok(Self { running, home });
        }
        Ok(Self::run(builder.listen((ip, 0)), home))
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
        let model = models::chosen();
        // The loop of a server belongs to the thread that made it, so it is made over there.
        let (tell_handle, handle) = mpsc::channel();
        let (tell_end, ended) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut server = builder.concurrency(model).build().unwrap();
            tell_handle.send(server.handle().unwrap()).unwrap();
            let options = ServeOptions::default().handle_exit(false);
            server.serve_forever(options).unwrap();
            drop(server);
            // Nobody may be listening any more.
            let _ = tell_end.send(());
        });
        let running = Running::Here {
            handle: handle.recv().unwrap(),
            ended,
            thread: Some(thread),
        };
        Self { running, home }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match &self.running {
            Running::Here { handle, .. } => handle.local_addrs()[0],
            #[cfg(target_os = "linux")]
            Running::Program(program) => program.address(),
        }
    }

    /// A client that is logged in.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::login(self.address())
    }

    /// Its remote control, where it is in this process.
    #[track_caller]
    pub fn handle(&self) -> &ServerHandle {
        match &self.running {
            Running::Here { handle, .. } => handle,
            #[cfg(target_os = "linux")]
            Running::Program(_) => panic!("the server of this test is in another process"),
        }
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

    /// Has it tell idle clients `421`, let transfers end, and end.
    #[track_caller]
    pub fn drain(&self) {
        match &self.running {
            Running::Here { handle, .. } => handle.drain(),
            #[cfg(target_os = "linux")]
            Running::Program(program) => program.signal("TERM"),
        }
    }

    /// Waits for the server to end by itself.
    #[track_caller]
    pub fn wait_for_end(&mut self) {
        match &mut self.running {
            Running::Here { ended, .. } => ended
                .recv_timeout(PATIENCE)
                .expect("the server has not ended"),
            #[cfg(target_os = "linux")]
            Running::Program(program) => program.check_ends_well(),
        }
    }

    /// Waits until all clients have left, as far as the server lets that be seen.
    #[track_caller]
    pub fn wait_for_rest(&self) {
        match &self.running {
            Running::Here { handle, .. } => {
                wait_until("all clients have left", || handle.clients() == 0);
            }
            #[cfg(target_os = "linux")]
            Running::Program(program) => program.wait_for_rest(),
        }
    }

    /// Waits for that, and for the server's end.
    #[track_caller]
    pub fn end_with_last_client(&mut self) {
        match &mut self.running {
            Running::Here { handle, .. } => {
                handle.close();
                self.wait_for_end();
            }
            #[cfg(target_os = "linux")]
            Running::Program(program) => program.end_with_last_client(),
        }
    }
}

impl Default for TestServer {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        match self {
            Self::Here { handle, thread, .. } => {
                handle.close_all();
                let Some(thread) = thread.take() else {
                    return;
                };
                if thread::panicking() {
                    // What failed may be what its end waits for.
                    return;
                }
                thread.join().expect("the server panicked");
            }
            #[cfg(target_os = "linux")]
            Self::Program(program) if !thread::panicking() => program.end_at_once(),
            #[cfg(target_os = "linux")]
            Self::Program(_) => {}
        }
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
