//! The link from a child process of a server to its parent: the messages, and the child's side.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use ftpdlib_ioloop::{
    Context, Direction, Flow, Handler, Interest, Ready, Registration, SourceId, TimerId, contain,
};
use ftpdlib_sys::{Signal, Signals, expect_broken_pipe};
use mio::net::UnixStream;

use super::child::ChildOptions;
use crate::ServerHandle;
use crate::signals::SignalSource;

/// How a parent asks a child to stop. Each request goes further than the one before it, like the
/// [`ServerHandle`] methods with these names.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum StopRequest {
    /// Accept no more clients, and end with the last one.
    Close,
    /// Send idle clients `421`, and let transfers in progress end.
    Drain,
    /// Disconnect all clients.
    CloseAll,
}

impl StopRequest {
    const ALL: [Self; 3] = [Self::Close, Self::Drain, Self::CloseAll];

    /// The request as the byte that is sent to a child.
    pub(crate) fn byte(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|request| request.byte() == byte)
    }
}

/// Asks a child whether its loops turn; the child sends the same byte back if they do.
pub(crate) const PING: u8 = b'?';

/// The bit of a byte that comes with a file; the other bits are the number of the file.
const FILE_FLAG: u8 = 0x80;

/// The byte that is sent with the file `number`; `None` if the number is too large.
pub(crate) fn file_byte(number: u8) -> Option<u8> {
    (number < FILE_FLAG).then_some(FILE_FLAG | number)
}

/// Sent by a worker once it accepts clients.
pub(crate) const READY: u8 = b'!';

/// The child's side of the link: does what the parent asks for.
///
/// When the link ends, the parent is dead. The child then ends too, but lets transfers continue for
/// the grace period. A terminal or a service manager may send signals to all processes at once; the
/// parent acts on them, so the child does little: SIGTERM and SIGINT only make it drain, however
/// often they come, and SIGHUP and SIGUSR2 do nothing if the parent catches them. A child whose
/// loop hangs is ended by the second SIGTERM or SIGINT, as the parent is.
pub(crate) struct ParentLink {
    link: Registration<UnixStream>,
    signals: Option<Registration<SignalSource>>,
    server: ServerHandle,
    options: ChildOptions,
}

impl ParentLink {
    /// Acts on messages from `link`, and on the signals, if they are caught.
    pub(crate) fn new(
        link: UnixStream,
        signals: Option<Signals>,
        server: ServerHandle,
        options: ChildOptions,
    ) -> Self {
        let source = |signals| Registration::new(SignalSource::new(Arc::new(signals)));
        Self {
            link: Registration::new(link),
            signals: signals.map(source),
            server,
            options,
        }
    }

    fn read_parent(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(link) = self.link.socket() else {
            return Ok(());
        };
        let mut bytes = [0; 16];
        let read = |link: &UnixStream| ftpdlib_sys::read_with_file(link.as_fd(), &mut bytes);
        match cx.try_io(link, Direction::Read, read) {
            Ok((0, _)) => self.parent_lost(cx),
            Ok((count, file)) => {
                let number = bytes[..count].iter().find(|&&byte| byte >= FILE_FLAG);
                match (number, file, &self.options.on_file) {
                    (Some(number), Some(file), Some(take)) => {
                        contain("on_file", || take(number & !FILE_FLAG, file.into()));
                    }
                    (Some(number), None, _) => log::error!(
                        "file {} was not received from the parent process, mostly because too many \
                         are open: this process goes on with the one before",
                        number & !FILE_FLAG
                    ),
                    _ => {}
                }
                let received = bytes[..count].iter().copied();
                let shared = self.server.shared();
                if bytes[..count].contains(&PING)
                    && shared.is_some_and(|shared| shared.placement().is_alive())
                {
                    // The parent asks again if it gets no answer.
                    let write = |mut link: &UnixStream| expect_broken_pipe(|| link.write(&[PING]));
                    let _ = cx.try_io(link, Direction::Write, write);
                }
                match received.filter_map(StopRequest::from_byte).max() {
                    Some(StopRequest::Close) => self.server.close(),
                    Some(StopRequest::Drain) => self.server.drain(),
                    Some(StopRequest::CloseAll) => self.server.close_all(),
                    None => {}
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => self.parent_lost(cx),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn parent_lost(&mut self, cx: &mut Context<'_>) {
        log::error!("the parent process is gone: ending");
        if let Some(link) = self.link.take() {
            cx.close(link);
        }
        self.drain(cx);
    }

    fn drain(&mut self, cx: &mut Context<'_>) {
        self.server.drain();
        cx.start_timer_after(self.options.grace);
    }

    fn read_signals(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(signals) = self.signals.as_ref().and_then(Registration::socket) else {
            return Ok(());
        };
        match cx.try_io(signals, Direction::Read, SignalSource::next) {
            Ok(Signal::Terminate | Signal::Interrupt) => {
                self.drain(cx);
                Ok(())
            }
            Ok(Signal::HangUp | Signal::Upgrade) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Handler for ParentLink {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.link.register(cx, Interest::READ)?;
        match &mut self.signals {
            Some(signals) => signals.register(cx, Interest::READ),
            None => Ok(()),
        }
    }

    fn ready(&mut self, source: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        if self.link.socket().is_some_and(|link| link.id() == source) {
            self.read_parent(cx)?;
        } else {
            self.read_signals(cx)?;
        }
        Ok(Flow::Continue)
    }

    fn timeout(&mut self, _: TimerId, _: &mut Context<'_>) -> io::Result<Flow> {
        self.server.close_all();
        Ok(Flow::Continue)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Mutex;
    use std::time::Duration;

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::FtpHandler;
    use ftpdlib_ioloop::IoLoop;

    use super::*;
    use crate::FtpServer;

    static ERRORS: Errors = Errors(Mutex::new(Vec::new()));

    struct Errors(Mutex<Vec<String>>);

    impl log::Log for Errors {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &log::Record<'_>) {
            self.0.lock().unwrap().push(record.args().to_string());
        }

        fn flush(&self) {}
    }

    #[test]
    fn a_file_that_was_lost_on_the_way_was_not_logged() {
        log::set_logger(&ERRORS).unwrap();
        log::set_max_level(log::LevelFilter::Error);
        let handler = FtpHandler::new(DummyAuthorizer::new());
        let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 0), handler).unwrap();
        let (parent, link) = UnixStream::pair().unwrap();
        let child = ParentLink::new(
            link,
            None,
            server.handle().unwrap(),
            ChildOptions::default(),
        );
        let mut io_loop = IoLoop::new().unwrap();
        io_loop.add(Box::new(child)).unwrap();
        (&parent).write_all(&[file_byte(5).unwrap()]).unwrap();
        io_loop.turn(Some(Duration::from_secs(10))).unwrap();
        let errors = ERRORS.0.lock().unwrap();
        let told = |error: &String| error.starts_with("file 5 was not received");
        assert!(errors.iter().any(told), "{errors:?}");
    }

    #[test]
    fn requests_survive_the_way() {
        for request in StopRequest::ALL {
            assert_eq!(StopRequest::from_byte(request.byte()), Some(request));
        }
        assert_eq!(StopRequest::from_byte(PING), None);
        for number in [0, 7, 127] {
            let byte = file_byte(number).unwrap();
            assert_eq!(
                (StopRequest::from_byte(byte), byte & !FILE_FLAG),
                (None, number)
            );
        }
        assert_eq!(file_byte(128), None);
    }
}
