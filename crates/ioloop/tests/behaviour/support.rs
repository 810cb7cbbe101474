//! Helpers for the tests of the loop.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::{Deref, DerefMut};
use std::panic::{self, PanicHookInfo};
use std::rc::Rc;
use std::sync::Once;
use std::thread;
use std::time::Duration;

use ftpdlib_ioloop::{Context, Flow, Handler, IoLoop, Ready, SourceId, TimerId};
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

thread_local! {
    /// What failed in a callback: the loop contains its panic, so that the test would pass.
    static FAILED: Cell<Option<String>> = const { Cell::new(None) };
}

/// A loop whose end fails the test if an assertion has failed in a callback.
pub(crate) struct TestLoop(IoLoop);

impl TestLoop {
    pub(crate) fn new() -> Self {
        Self::of(IoLoop::new())
    }

    pub(crate) fn of(io_loop: io::Result<IoLoop>) -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let report = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if !is_expected(info) {
                    FAILED.set(Some(info.to_string()));
                }
                report(info);
            }));
        });
        Self(io_loop.unwrap())
    }
}

/// Whether the test wants this panic, and says so. Assertions panic with a text.
fn is_expected(info: &PanicHookInfo<'_>) -> bool {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.is_none_or(|text| text.starts_with("as expected"))
}

impl Deref for TestLoop {
    type Target = IoLoop;

    fn deref(&self) -> &IoLoop {
        &self.0
    }
}

impl DerefMut for TestLoop {
    fn deref_mut(&mut self) -> &mut IoLoop {
        &mut self.0
    }
}

impl Drop for TestLoop {
    fn drop(&mut self) {
        self.close();
        if let Some(failed) = FAILED.take()
            && !thread::panicking()
        {
            panic!("in a callback: {failed}");
        }
    }
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

#[test]
#[should_panic(expected = "in a callback")]
fn an_assertion_that_failed_in_a_callback_let_the_test_pass() {
    let mut io_loop = TestLoop::new();
    io_loop.call_later(Duration::ZERO, |_| panic!("the assertion"));
    io_loop.run().unwrap();
}
