//! Acceptor, connector and chat over real connections.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use ftpdlib_ioloop::{
    Acceptor, AsyncChat, Channel, ChatHandler, Connector, Context, IoLoop, Producer,
    is_of_one_client, is_of_peer,
};

use crate::support::{Counter, LONG, TestLoop, any_port, count, pair};

#[test]
fn a_flood_of_clients_is_accepted_in_turns() {
    const CLIENTS: usize = 100;
    let listener = Acceptor::bind(any_port(), CLIENTS as u32).unwrap();
    let addr = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| TcpStream::connect(addr).unwrap())
        .collect();
    let accepted = Counter::default();
    let counter = accepted.clone();
    let mut io_loop = TestLoop::new();
    let acceptor = Acceptor::new(listener, move |_, _, _| {
        count(&counter);
        assert!(
            counter.get() != 10,
            "as expected: one client's panic is not the others'"
        );
    });
    let id = io_loop.add(Box::new(acceptor)).unwrap();
    io_loop.turn(None).unwrap();
    assert!(accepted.get() < CLIENTS);
    while accepted.get() < CLIENTS {
        io_loop.turn(Some(LONG)).unwrap();
    }
    drop(clients);
    assert!(io_loop.remove(id));
    assert!(io_loop.is_empty());
}

#[test]
fn a_removed_acceptor_accepted_the_clients_that_waited() {
    let listener = Acceptor::bind(any_port(), 5).unwrap();
    let addr = listener.local_addr().unwrap();
    let _clients = [(); 5].map(|()| TcpStream::connect(addr).unwrap());
    let accepted = Counter::default();
    let counter = accepted.clone();
    let mut io_loop = TestLoop::new();
    let acceptor = Acceptor::new(listener, move |_, _, cx| {
        count(&counter);
        assert!(cx.remove(cx.id()));
    });
    io_loop.add(Box::new(acceptor)).unwrap();
    io_loop.run().unwrap();
    assert_eq!(accepted.get(), 1);
}

/// Adds an acceptor that accepts at most `quota` clients whenever some are waiting, and counts
/// them.
fn share(io_loop: &mut IoLoop, listener: mio::net::TcpListener, quota: usize) -> Counter {
    let accepted = Counter::default();
    let counter = accepted.clone();
    let acceptor = Acceptor::new(listener, move |_, _, _| count(&counter)).sharing(move |_| quota);
    io_loop.add(Box::new(acceptor)).unwrap();
    accepted
}

#[test]
fn acceptors_of_one_listener_share_its_clients() {
    let listener = TcpListener::bind(any_port()).unwrap();
    listener.set_nonblocking(true).unwrap();
    let copy = || mio::net::TcpListener::from_std(listener.try_clone().unwrap());
    let mut loops = [(); 2].map(|()| TestLoop::new());
    let accepted = [0, 1].map(|number| share(&mut loops[number], copy(), 2 + number));
    let addr = listener.local_addr().unwrap();
    let clients = [(); 5].map(|()| TcpStream::connect(addr).unwrap());
    let waiting = || ftpdlib_sys::waiting_clients(listener.as_fd());
    // A client may be connected before it is in the queue.
    while waiting().is_ok_and(|waiting| waiting < clients.len()) {
        thread::yield_now();
    }
    for io_loop in &mut loops {
        io_loop.turn(Some(LONG)).unwrap();
    }
    assert_eq!(accepted.map(|counter| counter.get()), [2, 3]);
}

#[test]
fn clients_that_were_left_to_others_are_accepted_if_nobody_takes_them() {
    // More clients than one turn accepts.
    const CLIENTS: usize = 100;
    let listener = Acceptor::bind(any_port(), CLIENTS as u32).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut io_loop = TestLoop::new();
    let accepted = share(&mut io_loop, listener, 0);
    for times in 1..=2 {
        let _clients: Vec<_> = (0..CLIENTS)
            .map(|_| TcpStream::connect(addr).unwrap())
            .collect();
        while accepted.get() < times * CLIENTS {
            io_loop.turn(Some(LONG)).unwrap();
        }
    }
}

#[test]
fn errors_of_one_client_are_told_from_the_systems() {
    for (kind, of_one_client) in [
        (ErrorKind::ConnectionAborted, true),
        (ErrorKind::ConnectionReset, true),
        (ErrorKind::HostUnreachable, true),
        (ErrorKind::NetworkDown, true),
        (ErrorKind::NetworkUnreachable, true),
        (ErrorKind::OutOfMemory, false),
        (ErrorKind::PermissionDenied, false),
        (ErrorKind::WouldBlock, false),
    ] {
        assert_eq!(is_of_one_client(&kind.into()), of_one_client, "{kind}");
    }
}

#[test]
fn clients_that_the_system_refused_to_watch_had_left_by_themselves() {
    for (kind, of_peer) in [
        (ErrorKind::ConnectionReset, true),
        (ErrorKind::NotConnected, true),
        (ErrorKind::StorageFull, false),
        (ErrorKind::OutOfMemory, false),
    ] {
        assert_eq!(is_of_peer(&kind.into()), of_peer, "{kind}");
    }
}

#[test]
fn an_address_in_use_is_refused() {
    let listener = Acceptor::bind(any_port(), 1).unwrap();
    let error = Acceptor::bind(listener.local_addr().unwrap(), 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[test]
fn the_unspecified_ipv6_address_takes_both_kinds() {
    let Ok(listener) = Acceptor::bind((Ipv6Addr::UNSPECIFIED, 0).into(), 1) else {
        return; // No IPv6 here.
    };
    let port = listener.local_addr().unwrap().port();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
}

#[test]
fn each_family_may_have_a_listener_of_its_own() {
    let any = (Ipv6Addr::UNSPECIFIED, 0).into();
    let Ok(listener) = Acceptor::bind_own_family(any, 1) else {
        return; // No IPv6 here.
    };
    let port = listener.local_addr().unwrap().port();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(TcpStream::connect(("::1", port)).is_ok());
    let other = Acceptor::bind_own_family((Ipv4Addr::UNSPECIFIED, port).into(), 1);
    // Another process may have taken the port meanwhile.
    assert!(other.is_ok_and(|_| TcpStream::connect(("127.0.0.1", port)).is_ok()));
}

#[track_caller]
fn connect(connector: impl FnOnce(OnEnd) -> Connector, remove: bool) -> Result<(), ErrorKind> {
    let outcome = Rc::new(RefCell::new(None));
    let seen = outcome.clone();
    let mut io_loop = TestLoop::new();
    let on_end: OnEnd = Box::new(move |result, cx| {
        *seen.borrow_mut() = Some(result.map(drop).map_err(|error| error.kind()));
        cx.stop();
    });
    let id = io_loop.add(Box::new(connector(on_end))).unwrap();
    assert!(
        outcome.borrow().is_none(),
        "called back before the loop runs"
    );
    if remove {
        io_loop.remove(id);
    }
    io_loop.run_until_stopped().unwrap();
    assert!(io_loop.is_empty());
    outcome.take().expect("called back")
}

type OnEnd = Box<dyn FnOnce(io::Result<mio::net::TcpStream>, &mut Context<'_>)>;

#[test]
fn a_connector_calls_back_with_the_outcome() {
    let listener = TcpListener::bind(any_port()).unwrap();
    let open = listener.local_addr().unwrap();
    // Bound, so that no other process takes the port, but not listening.
    let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    bound.bind(&any_port().into()).unwrap();
    let closed = bound.local_addr().unwrap().as_socket().unwrap();
    // Reserved for documentation (RFC 5737), so not an address of this machine.
    let foreign: SocketAddr = "192.0.2.1:0".parse().unwrap();

    assert_eq!(connect(|end| Connector::new(open, end), false), Ok(()));
    assert_eq!(
        connect(|end| Connector::new(open, end).local(any_port()), false),
        Ok(())
    );
    assert_eq!(
        connect(|end| Connector::new(open, end).timeout(LONG), false),
        Ok(())
    );
    let refused = Err(ErrorKind::ConnectionRefused);
    assert_eq!(connect(|end| Connector::new(closed, end), false), refused);
    let unavailable = Err(ErrorKind::AddrNotAvailable);
    assert_eq!(
        connect(|end| Connector::new(open, end).local(foreign), false),
        unavailable
    );
    let aborted = Err(ErrorKind::ConnectionAborted);
    assert_eq!(connect(|end| Connector::new(open, end), true), aborted);
}

#[test]
#[cfg(target_os = "linux")]
fn a_connector_gives_up() {
    // Nothing accepts, so the queue fills up, and the system leaves further clients waiting.
    let listener = Acceptor::bind(any_port(), 1).unwrap();
    let addr = listener.local_addr().unwrap();
    let patience = Duration::from_millis(20);
    let outcomes: Vec<_> = (0..4)
        .map(|_| Connector::open(addr, None).unwrap())
        .map(|waiting| {
            (
                connect(|end| Connector::new(addr, end).timeout(patience), false),
                waiting,
            )
        })
        .collect();
    assert_eq!(
        outcomes.last().map(|(outcome, _)| *outcome),
        Some(Err(ErrorKind::TimedOut))
    );
}

/// Fails in its first call, or has output for a peer that has reset the connection.
struct Stillborn {
    fails: bool,
    ended: Rc<RefCell<Option<Option<ErrorKind>>>>,
}

impl ChatHandler for Stillborn {
    fn connected(&mut self, peer: &mut Channel, _: &mut Context<'_>) -> io::Result<()> {
        peer.push(b"hello");
        match self.fails {
            true => Err(ErrorKind::Unsupported.into()),
            false => Ok(()),
        }
    }

    fn received(&mut self, _: &[u8], _: &mut Channel, _: &mut Context<'_>) -> io::Result<()> {
        unreachable!("the peer sends nothing")
    }

    fn closed(&mut self, error: Option<io::Error>, _: &mut Context<'_>) {
        *self.ended.borrow_mut() = Some(error.map(|error| error.kind()));
    }
}

#[track_caller]
fn check_stillborn(fails: bool, expected: &[ErrorKind]) {
    let (ours, peer) = pair();
    socket2::SockRef::from(&peer)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(peer);
    let ended = Rc::new(RefCell::new(None));
    let handler = Stillborn {
        fails,
        ended: Rc::clone(&ended),
    };
    let mut io_loop = TestLoop::new();
    io_loop
        .add(Box::new(AsyncChat::new(ours, handler)))
        .unwrap();
    assert!(io_loop.is_empty());
    let ended = ended.take().expect("closed").expect("an error");
    assert!(expected.contains(&ended), "{ended:?}");
}

#[test]
fn a_chat_that_ended_as_it_began_was_not_closed() {
    check_stillborn(true, &[ErrorKind::Unsupported]);
    check_stillborn(false, &[ErrorKind::ConnectionReset, ErrorKind::BrokenPipe]);
}

/// Sends back what it receives; stops the loop at the end, and records how the chat ended.
struct Echo {
    ending: Rc<RefCell<Option<Option<ErrorKind>>>>,
}

impl ChatHandler for Echo {
    fn received(
        &mut self,
        piece: &[u8],
        peer: &mut Channel,
        _: &mut Context<'_>,
    ) -> io::Result<()> {
        match piece {
            b"quit" => peer.close_when_done(),
            b"count" => peer.push_producer(Numbers { next: 1 }),
            _ => peer.push(piece),
        }
        Ok(())
    }

    fn closed(&mut self, error: Option<io::Error>, cx: &mut Context<'_>) {
        *self.ending.borrow_mut() = Some(error.map(|error| error.kind()));
        cx.stop();
    }
}

struct Numbers {
    next: usize,
}

impl Producer for Numbers {
    fn more(&mut self, chunk: &mut Vec<u8>) -> io::Result<()> {
        if self.next <= 3 {
            write!(chunk, "{}", self.next)?;
            self.next += 1;
        }
        Ok(())
    }
}

/// Returns what a client reads until the end of a chat, and how the chat ended.
fn chat(
    configure: impl FnOnce(AsyncChat<Echo>) -> AsyncChat<Echo>,
    client: impl FnOnce(TcpStream) -> Vec<u8> + Send + 'static,
) -> (Vec<u8>, Option<ErrorKind>) {
    let (server, stream) = pair();
    let ending = Rc::default();
    let echo = Echo {
        ending: Rc::clone(&ending),
    };
    let mut io_loop = TestLoop::new();
    io_loop
        .add(Box::new(configure(AsyncChat::new(server, echo))))
        .unwrap();
    let client = thread::spawn(move || client(stream));
    io_loop.run().unwrap();
    drop(io_loop);
    (client.join().unwrap(), ending.take().expect("closed"))
}

fn say(mut stream: TcpStream, text: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    stream.write_all(text).unwrap();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn all_output_is_sent_before_a_chat_ends() {
    let lines = |chat: AsyncChat<Echo>| chat.terminator(b"\n");
    let (answer, ending) = chat(lines, |stream| say(stream, b"a\nbc\ncount\nend\nquit\n"));
    assert_eq!((answer.as_slice(), ending), (&b"abc123end"[..], None));
}

/// Learns how to cut the body of a message only after its head, and from another source.
#[derive(Default)]
struct Message {
    is_known: Rc<Cell<bool>>,
    pieces: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl ChatHandler for Message {
    fn received(&mut self, piece: &[u8], _: &mut Channel, cx: &mut Context<'_>) -> io::Result<()> {
        self.pieces.borrow_mut().push(piece.to_vec());
        cx.notifier().notify();
        Ok(())
    }

    fn notified(&mut self, peer: &mut Channel, _: &mut Context<'_>) -> io::Result<()> {
        peer.set_terminator(b"");
        self.is_known.set(true);
        Ok(())
    }
}

#[test]
fn input_that_had_arrived_was_not_cut_at_the_terminator_of_a_notified_handler() {
    let (ours, mut peer) = pair();
    let message = Message::default();
    let (is_known, pieces) = (Rc::clone(&message.is_known), Rc::clone(&message.pieces));
    let mut io_loop = TestLoop::new();
    let chat = AsyncChat::new(ours, message).terminator(b"\n");
    io_loop.add(Box::new(chat)).unwrap();
    peer.write_all(b"head\nbody").unwrap();
    while !is_known.get() {
        io_loop.turn(Some(LONG)).unwrap();
    }
    assert_eq!(*pieces.borrow(), [b"head", b"body"]);
}

#[test]
fn input_without_an_end_ends_the_chat() {
    let lines = |chat: AsyncChat<Echo>| chat.terminator(b"\n").max_piece(3);
    let (_, ending) = chat(lines, |stream| say(stream, b"too long"));
    assert_eq!(ending, Some(ErrorKind::InvalidData));
}

#[test]
fn a_peer_that_does_not_read_is_not_read_from() {
    const SIZE: usize = 16 * 1024 * 1024;
    // More than the system buffers, so that the writer waits for the reader to begin.
    let (answer, ending) = chat(
        |chat| chat.high_water(1000),
        |mut stream| {
            let mut writing = stream.try_clone().unwrap();
            let writer = thread::spawn(move || {
                let bytes: Vec<_> = (0..SIZE).map(|number| (number % 251) as u8).collect();
                writing.write_all(&bytes).unwrap();
                writing.shutdown(std::net::Shutdown::Write).unwrap();
            });
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            writer.join().unwrap();
            answer
        },
    );
    assert_eq!(ending, None);
    assert_eq!(answer.len(), SIZE);
    assert!(
        answer
            .iter()
            .enumerate()
            .all(|(number, &byte)| byte == (number % 251) as u8)
    );
}
