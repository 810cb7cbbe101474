//! Upgrade: another program takes over the listeners without refusing a client.

use std::cell::Cell;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ftpdlib_ioloop::{
    Context, Direction, Flow, Handler, HandlerId, Interest, Ready, Registration, Socket, SourceId,
    contain,
};
use ftpdlib_sys::{ChildProcess, expect_broken_pipe, start_successor};
use mio::unix::pipe::Receiver;

use crate::ServerHandle;
use crate::process::is_root;

/// The program that takes over on SIGUSR2, and how it is started.
///
/// The program receives the listening sockets through `LISTEN_FDS`
/// ([`inherited_sockets`](crate::process::inherited_sockets)), and the environment of this process.
/// Once its server has started, this server accepts no more clients and no more logins, serves its
/// clients until they leave, and ends with the last one. If the program ends before its server has
/// started, nothing changes; if this server is stopped before then, the program is killed.
///
/// # Examples
///
/// ```
/// use ftpdlib_servers::{ServeOptions, Upgrade};
///
/// let upgrade = Upgrade::to_this_program()?.on_upgraded(|process| println!("now {process}"));
/// let options = ServeOptions::default().upgrade(upgrade);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "it has to be given to a server's options"]
pub struct Upgrade {
    program: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<Variable>,
    on_upgraded: Option<Box<dyn FnOnce(u32)>>,
}

/// The name of an environment variable for the program, and the function that returns its value.
type Variable = (OsString, Box<dyn Fn() -> OsString>);

impl Upgrade {
    /// Creates an upgrade to `program`, started with `arguments`, the first of which is its own
    /// name.
    pub fn new(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            variables: Vec::new(),
            on_upgraded: None,
        }
    }

    /// Creates an upgrade to the program that is then at the path that this one was started from,
    /// with the same arguments. Call this before that file is replaced.
    ///
    /// If this program was started by its absolute path, links in the path are followed again at
    /// the upgrade, so it is enough to point a link to another version by then. If root has started
    /// it, everything on that path has to belong to root and be writable by root only; otherwise
    /// the links are not followed again.
    ///
    /// # Errors
    ///
    /// The system does not report where this program is.
    pub fn to_this_program() -> io::Result<Self> {
        let real = env::current_exe()?;
        let name = env::args_os().next().map(PathBuf::from);
        Ok(Self::new(unresolved(name, real), env::args_os()))
    }

    /// Sets a variable in the program's environment, to the value that `value` returns when the
    /// program is started. If `value` panics, the program is not started, and this one goes on.
    pub fn variable<T: Into<OsString>>(
        mut self,
        name: impl Into<OsString>,
        value: impl Fn() -> T + 'static,
    ) -> Self {
        let value = Box::new(move || value().into());
        self.variables.push((name.into(), value));
        self
    }

    /// Sets the callback for when a program has taken over; it receives the process id.
    pub fn on_upgraded(mut self, upgraded: impl FnOnce(u32) + 'static) -> Self {
        self.on_upgraded = Some(Box::new(upgraded));
        self
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }
}

/// Without the callback.
impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade")
            .field("program", &self.program)
            .field("arguments", &self.arguments)
            .finish_non_exhaustive()
    }
}

/// The path that the program was started by, its `name`, with links unresolved, or else its `real`
/// path. The name of a program may be anything, even under `sudo`, so it has to be absolute, since
/// a relative one depends on the working directory, and to lead to this very program.
fn unresolved(name: Option<PathBuf>, real: PathBuf) -> PathBuf {
    let is_real = |name: &PathBuf| {
        let identity = |path: &Path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.dev(), metadata.ino()))
        };
        name.is_absolute() && identity(name).is_some_and(|it| Some(it) == identity(&real))
    };
    let is_safe = |name: &PathBuf| !is_root() || ftpdlib_sys::is_roots(name).is_ok_and(|it| it);
    name.filter(is_real).filter(is_safe).unwrap_or(real)
}

/// Starts the program that takes over, one at a time.
pub(crate) struct UpgradeLauncher {
    program: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<Variable>,
    /// Shared with the watcher of the program that was started, which resets it if that program
    /// fails.
    state: Rc<Cell<UpgradeState>>,
    /// The watcher of the program that was started last.
    watcher: Option<HandlerId>,
}

/// Whether an upgrade can be started.
#[derive(Default)]
enum UpgradeState {
    /// No: a program is being started, or has taken over.
    #[default]
    Started,
    /// Yes. Holds the callback for a program that has taken over.
    Idle(Option<Box<dyn FnOnce(u32)>>),
}

impl UpgradeLauncher {
    pub(crate) fn new(upgrade: Upgrade) -> Self {
        Self {
            program: upgrade.program,
            arguments: upgrade.arguments,
            variables: upgrade.variables,
            state: Rc::new(Cell::new(UpgradeState::Idle(upgrade.on_upgraded))),
            watcher: None,
        }
    }

    /// Starts the program that takes over.
    pub(crate) fn start(&mut self, server: &ServerHandle, cx: &mut Context<'_>) {
        if let Err(error) = self.try_start(server, cx) {
            log::error!("no program takes over: {error}");
        }
    }

    /// Kills the program that is to take over, unless it has done so already.
    pub(crate) fn cancel(&mut self, cx: &mut Context<'_>) {
        if let Some(watcher) = self.watcher.take() {
            cx.remove(watcher);
        }
    }

    fn try_start(&mut self, server: &ServerHandle, cx: &mut Context<'_>) -> io::Result<()> {
        if std::process::id() == 1 {
            // The whole container or system would end with this process.
            return Err(io::Error::other("this is process 1, which must not end"));
        }
        let on_upgraded = match self.state.take() {
            UpgradeState::Started => {
                return Err(io::Error::other("another is being started, or has"));
            }
            UpgradeState::Idle(on_upgraded) => on_upgraded,
        };
        let started = server.listeners().copies().and_then(|copies| {
            let sockets = copies
                .iter()
                .map(|(copy, requested)| (copy.as_fd(), *requested));
            let sockets: Vec<_> = sockets.collect();
            let variables = self.variables.iter().map(|(name, value)| {
                let value = contain("a variable of the upgrade", value)
                    .ok_or_else(|| io::Error::other("a variable of its environment has none"))?;
                Ok((name.clone(), value))
            });
            let variables: Vec<_> = variables.collect::<io::Result<_>>()?;
            start_successor(&self.program, &self.arguments, &sockets, &variables)
        });
        match started {
            Ok(successor) => {
                log::info!(
                    "SIGUSR2: starting {}, process {}",
                    self.program.display(),
                    successor.process.id()
                );
                let ready = Receiver::from(OwnedFd::from(successor.ready));
                let set = ready.set_nonblocking(true);
                let watcher = UpgradeWatcher {
                    ready: Registration::new(ready),
                    process: Some(successor.process),
                    server: server.clone(),
                    on_upgraded,
                    state: Rc::clone(&self.state),
                };
                // A failure drops the watcher, which kills the program.
                set?;
                self.watcher = Some(cx.add(Box::new(watcher))?);
                Ok(())
            }
            Err(error) => {
                self.state.set(UpgradeState::Idle(on_upgraded));
                Err(error)
            }
        }
    }
}

/// Waits until a program has taken over or ended. If dropped before that, kills the program, so
/// that no server starts unnoticed after this one was stopped.
struct UpgradeWatcher {
    ready: Registration<Receiver>,
    /// `None` once the program has taken over or ended.
    process: Option<ChildProcess>,
    server: ServerHandle,
    on_upgraded: Option<Box<dyn FnOnce(u32)>>,
    state: Rc<Cell<UpgradeState>>,
}

impl UpgradeWatcher {
    fn taken_over(&mut self) {
        if let Some(process) = self.process.take() {
            let process = process.id();
            log::info!(
                "process {process} has taken over: serving those who are connected, until they \
                 leave"
            );
            if let Some(on_upgraded) = self.on_upgraded.take() {
                contain("on_upgraded", || on_upgraded(process));
            }
        }
        self.server.close();
        if let Some(shared) = self.server.shared() {
            // The other program has read its configuration anew, so its settings apply to logins
            // now.
            shared.end_logins();
        }
    }

    fn failed(&mut self) {
        // The program closed its end of the pipe, so it is dead or useless.
        if let Some(mut process) = self.process.take() {
            let end = process.kill().and_then(|()| process.wait());
            let end = end.map_or_else(|error| error.to_string(), |end| end.to_string());
            log::error!("the program that was to take over has ended ({end}): nothing has changed");
        }
        self.state.set(UpgradeState::Idle(self.on_upgraded.take()));
    }

    /// Whether the pipe holds a message that the program serves, which has not been read yet.
    fn is_ready(&self) -> bool {
        let ready = self.ready.socket().map(Socket::get_ref);
        ready.is_some_and(|mut ready| matches!(ready.read(&mut [0]), Ok(1..)))
    }
}

impl Drop for UpgradeWatcher {
    fn drop(&mut self) {
        if self.process.is_none() {
            return;
        }
        if self.is_ready() {
            return self.taken_over();
        }
        // Does not wait for the killed program: its end may take as long as a disk does.
        if let Some(process) = self.process.take() {
            let id = process.id();
            match process.kill() {
                Ok(()) => log::warn!("process {id}, which was to take over, is killed"),
                Err(error) => log::error!("process {id} cannot be killed: {error}"),
            }
        }
        self.state.set(UpgradeState::Idle(self.on_upgraded.take()));
    }
}

impl Handler for UpgradeWatcher {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.ready.register(cx, Interest::READ)
    }

    fn ready(&mut self, _: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        let Some(ready) = self.ready.socket() else {
            return Ok(Flow::Close);
        };
        match cx.try_io(ready, Direction::Read, |mut ready| ready.read(&mut [0])) {
            Ok(1..) => self.taken_over(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flow::Continue),
            Ok(0) | Err(_) => self.failed(),
        }
        Ok(Flow::Close)
    }
}

/// The pipe to the server that started this process to take over, if one did, until this process
/// has reported that it serves. It stays open if the start fails: that server kills this process
/// once the pipe closes, and this process may still have something to log.
static PREDECESSOR: Mutex<Option<File>> = Mutex::new(None);

/// Takes the pipe to the server that started this process to take over, if one did. Must be called
/// before this process forks.
pub(crate) fn find_predecessor() {
    match ftpdlib_sys::readiness_pipe() {
        Ok(Some(pipe)) => *predecessor() = Some(File::from(pipe)),
        Ok(None) => {}
        Err(error) => warn_of_silence(&error),
    }
}

/// Whether another server is waiting for this process to take over.
pub(crate) fn has_predecessor() -> bool {
    predecessor().is_some()
}

/// Reports that this process serves to the server that waits for it, if there is one.
pub(crate) fn tell_ready() {
    if let Some(mut pipe) = predecessor().take()
        && let Err(error) = expect_broken_pipe(|| pipe.write_all(b"1"))
    {
        warn_of_silence(&error);
    }
}

/// In a child process: closes its copy of the pipe, which would hide the parent's end from the
/// predecessor.
pub(crate) fn leave_to_parent() {
    predecessor().take();
}

fn predecessor() -> MutexGuard<'static, Option<File>> {
    PREDECESSOR.lock().unwrap_or_else(PoisonError::into_inner)
}

fn warn_of_silence(error: &io::Error) {
    log::warn!("cannot tell the process that this one follows: {error}");
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn links_to_the_program_were_followed_once_and_for_all() {
        let real = env::current_exe().unwrap();
        let name = real
            .parent()
            .unwrap()
            .join(".")
            .join(real.file_name().unwrap());
        let is_safe = !is_root() || ftpdlib_sys::is_roots(&real).unwrap();
        let expected = if is_safe { name.clone() } else { real.clone() };
        let kept = unresolved(Some(name), real.clone());
        assert_eq!(kept.as_os_str(), expected.as_os_str());
        for other in ["/bin/sh", "/nonexistent", "exe", ""] {
            assert_eq!(unresolved(Some(other.into()), real.clone()), real);
        }
        assert_eq!(unresolved(None, real.clone()), real);
    }
}
