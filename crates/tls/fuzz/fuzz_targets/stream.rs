//! The input as what a client sends where a TLS handshake is expected: no panic, no busy loop, and
//! an end once the client has ended.
#![no_main]

use std::cell::RefCell;
use std::io::{self, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use ftpdlib_ioloop::{
    Context, Flow, Handler, Interest, IoLoop, Ready, SourceId, TimerId, Transport, mio,
};
use ftpdlib_tls::{TlsSession, TlsSettings, TlsStream};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static PLACE: RefCell<Option<(TcpListener, TlsSession)>> = const { RefCell::new(None) };
}

struct Peer {
    accepted: Option<mio::net::TcpStream>,
    session: TlsSession,
    data: bool,
    tls: Option<TlsStream>,
}

impl Peer {
    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let tls = self.tls.as_mut().expect("made at the start");
        while tls.read(cx, &mut buffer)? > 0 {}
        Ok(())
    }
}

impl Handler for Peer {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let stream = self.accepted.take().expect("started once");
        let wire = cx.register(stream, Interest::READ)?;
        self.tls = Some(if self.data {
            TlsStream::data(wire, &self.session)
        } else {
            TlsStream::control(wire, &self.session)
        });
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        Ok(match self.read(cx) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Flow::Continue,
            Ok(()) | Err(_) => Flow::Close,
        })
    }

    fn timeout(&mut self, _: TimerId, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(Flow::Continue)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        DONE.set(true);
    }
}

thread_local! {
    static DONE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

fuzz_target!(|bytes: &[u8]| {
    PLACE.with_borrow_mut(|place| {
        let (listener, session) = place.get_or_insert_with(|| {
            let config = TlsSettings::default().build().unwrap();
            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            (listener, config.session().unwrap())
        });
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        client.write_all(bytes).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        DONE.set(false);
        let mut io_loop = IoLoop::new().unwrap();
        let peer = Peer {
            accepted: Some(mio::net::TcpStream::from_std(accepted)),
            session: session.clone(),
            data: bytes.first().is_some_and(|byte| byte % 2 == 1),
            tls: None,
        };
        io_loop.add(Box::new(peer)).unwrap();
        for _ in 0..1000 {
            if DONE.get() {
                return;
            }
            io_loop.turn(Some(Duration::from_secs(1))).unwrap();
        }
        panic!("no end");
    });
});
