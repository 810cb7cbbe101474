//! What the child processes of a server are told, and their end of it.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use ftpdlib_ioloop::{
    Context, Direction, Flow, Handler, Interest, Ready, Socket, SourceId, TimerId,
};
use ftpdlib_sys::{Signal, Signals};
use mio::net::UnixStream;

use crate::ServerHandle;
use crate::signals::SignalSource;
use crate::worker::ChildOptions;

/// What a parent tells a child. Each goes further than the one before.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Order {
    /// Accept nobody any more, and end with the last client.
    Retire,
    /// Tell idle clients `421`, and let transfers in progress end.
    Drain,
    /// Disconnect everybody.
    End,
}

impl Order {
    const ALL: [Self; 3] = [Self::Retire, Self::Drain, Self::End];

    /// The order as a byte on the way to a child.
    pub(crate) fn byte(self) -> u8 {
        self as u8
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.byte() == byte)
    }
}

/// Asks a child whether its loops turn; the same byte comes back if they do.
pub(crate) const QUESTION: u8 = b'?';

/// The lowest of the bytes that come with a file; the others follow, up to the highest byte.
const FILE: u8 = 0x80;

/// The byte that a file of this number goes with, if there are so many.
pub(crate) fn byte_of_file(number: u8) -> Option<u8> {
    (number < FILE).then_some(FILE | number)
}

/// Tells the parent of a worker that it accepts clients from now on.
pub(crate) const SERVES: u8 = b'!';

/// Does, in a child process, what the parent tells it.
///
/// The parent is known to be dead once the link to it ends; whoever is left then ends, too, but
/// lets transfers go on for the grace period. Signals that a terminal or a service manager sends to
/// all processes at once are no orders, since the parent gives them: SIGTERM and SIGINT only make
/// the child drain, however often they come, and SIGHUP and SIGUSR2 do nothing where the parent
/// catches them. A child whose loop hangs is ended by the second, as the parent is.
pub(crate) struct Obedience {
    pending: Option<(UnixStream, Option<Signals>)>,
    link: Option<Socket<UnixStream>>,
    signals: Option<Socket<SignalSource>>,
    server: ServerHandle,
    options: ChildOptions,
}

impl Obedience {
    /// Obeys what comes over `link`, and the signals, where they are caught.
    pub(crate) fn new(
        link: UnixStream,
        signals: Option<Signals>,
        server: ServerHandle,
        options: ChildOptions,
    ) -> Self {
        Self {
            pending: Some((link, signals)),
            link: None,
            signals: None,
            server,
            options,
        }
    }

    fn hear_parent(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(link) = &self.link else {
            return Ok(());
        };
        let mut bytes = [0; 16];
        let read = |link: &UnixStream| ftpdlib_sys::read_with_file(link.as_fd(), &mut bytes);
        match cx.try_io(link, Direction::Read, read) {
            Ok((0, _)) => self.orphaned(cx),
            Ok((count, file)) => {
                let number = bytes[..count].iter().find(|&&byte| byte >= FILE);
                match (number, file, &self.options.on_file) {
                    (Some(number), Some(file), Some(take)) => take(number & !FILE, file.into()),
                    (Some(number), None, _) => log::error!(
                        "file {} was not received from the parent process, mostly because too many \
                         are open: this process goes on with the one before",
                        number & !FILE
                    ),
                    _ => {}
                }
                let orders = bytes[..count].iter().copied();
                if bytes[..count].contains(&QUESTION) && self.server.shared().placement().is_alive()
                {
                    // A parent that is not answered asks again.
                    let _ = cx.try_io(link, Direction::Write, |mut link| link.write(&[QUESTION]));
                }
                match orders.filter_map(Order::from_byte).max() {
                    Some(Order::Retire) => self.server.close(),
                    Some(Order::Drain) => self.server.drain(),
                    Some(Order::End) => self.server.close_all(),
                    None => {}
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => self.orphaned(cx),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn orphaned(&mut self, cx: &mut Context<'_>) {
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

    fn hear_signals(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(signals) = &self.signals else {
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

impl Handler for Obedience {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some((link, signals)) = self.pending.take() {
            self.link = Some(cx.register(link, Interest::READ)?);
            if let Some(signals) = signals {
                self.signals =
                    Some(cx.register(SignalSource::new(Arc::new(signals)), Interest::READ)?);
            }
        }
        Ok(())
    }

    fn ready(&mut self, source: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        if self.link.as_ref().is_some_and(|link| link.id() == source) {
            self.hear_parent(cx)?;
        } else {
            self.hear_signals(cx)?;
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
    fn nobody_was_told_of_a_file_that_was_lost_on_the_way() {
        log::set_logger(&ERRORS).unwrap();
        log::set_max_level(log::LevelFilter::Error);
        let handler = FtpHandler::new(DummyAuthorizer::new());
        let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 0), handler).unwrap();
        let (parent, link) = UnixStream::pair().unwrap();
        let child = Obedience::new(
            link,
            None,
            server.handle().unwrap(),
            ChildOptions::default(),
        );
        let mut io_loop = IoLoop::new().unwrap();
        io_loop.add(Box::new(child)).unwrap();
        (&parent).write_all(&[byte_of_file(5).unwrap()]).unwrap();
        io_loop.turn(Some(Duration::from_secs(10))).unwrap();
        let errors = ERRORS.0.lock().unwrap();
        let told = |error: &String| error.starts_with("file 5 was not received");
        assert!(errors.iter().any(told), "{errors:?}");
    }

    #[test]
    fn orders_survive_the_way() {
        for order in Order::ALL {
            assert_eq!(Order::from_byte(order.byte()), Some(order));
        }
        assert_eq!(Order::from_byte(QUESTION), None);
        for number in [0, 7, 127] {
            let byte = byte_of_file(number).unwrap();
            assert_eq!((Order::from_byte(byte), byte & !FILE), (None, number));
        }
        assert_eq!(byte_of_file(128), None);
    }
}
