//! Helpers for the tests of the loop.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use ftpdlib_ioloop::{Context, Flow, Handler, Ready, SourceId, TimerId};
use mio::net::TcpStream as MioStream;

/// Longer than any test takes unless it hangs.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Any free port of the loopback interface.
pub(crate) fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// The two ends of a connection; the first is for the loop.
pub(crate) fn pair() -> (MioStream, TcpStream) {
    let listener = TcpListener::bind(any_port()).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    server.set_nonblocking(true).unwrap();
    (MioStream::from_std(server), client)
}

/// A number that a handler and its test share.
pub(crate) type Counter = Rc<Cell<usize>>;

pub(crate) fn count(counter: &Counter) {
    counter.set(counter.get() + 1);
}

/// Why a [`Probe`] was called.
pub(crate) enum Call {
    Start,
    Ready(SourceId, Ready),
    Timeout(TimerId),
    Notified,
    Closed(Option<io::Error>),
}

/// A handler that leaves everything to one closure, whose result counts except for `closed`.
pub(crate) struct Probe<F>(F);

impl<F> Probe<F>
where
    F: FnMut(Call, &mut Context<'_>) -> io::Result<Flow> + 'static,
{
    pub(crate) fn boxed(serve: F) -> Box<Self> {
        Box::new(Self(serve))
    }
}

impl<F> Handler for Probe<F>
where
    F: FnMut(Call, &mut Context<'_>) -> io::Result<Flow> + 'static,
{
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        (self.0)(Call::Start, cx).map(drop)
    }

    fn ready(&mut self, source: SourceId, ready: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        (self.0)(Call::Ready(source, ready), cx)
    }

    fn timeout(&mut self, timer: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
        (self.0)(Call::Timeout(timer), cx)
    }

    fn notified(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        (self.0)(Call::Notified, cx)
    }

    fn closed(&mut self, error: Option<io::Error>, cx: &mut Context<'_>) {
        let _ = (self.0)(Call::Closed(error), cx);
    }
}
