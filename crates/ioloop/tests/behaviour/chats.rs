//! How a chat ends, how much it holds, and what else its handler may wait for.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use ftpdlib_ioloop::{
    AsyncChat, Channel, ChatHandler, Context, Interest, Ready, Registration, SourceId, TimerId,
};

use crate::support::{Counter, LONG, TestLoop, count, pair};

#[expect(dead_code, reason = "nobody calls its `main` here")]
#[path = "../../examples/chat.rs"]
mod example;

/// The errors with which a chat has called `closed`.
type Endings = Rc<RefCell<Vec<Option<ErrorKind>>>>;

fn note(endings: &Endings, error: Option<io::Error>) {
    endings.borrow_mut().push(error.map(|error| error.kind()));
}

/// Sends `size` bytes and `END` at the first piece, and closes.
struct Sender {
    size: usize,
    endings: Endings,
}

impl ChatHandler for Sender {
    fn received(&mut self, _: &[u8], peer: &mut Channel, cx: &mut Context<'_>) -> io::Result<()> {
        peer.push(&vec![b'x'; self.size]);
        peer.push(b"END");
        peer.close_when_done();
        cx.notifier().notify();
        Ok(())
    }

    fn notified(&mut self, peer: &mut Channel, _: &mut Context<'_>) -> io::Result<()> {
        assert!(peer.unsent() > 0, "called after the last output was sent");
        Ok(())
    }

    fn closed(&mut self, error: Option<io::Error>, _: &mut Context<'_>) {
        note(&self.endings, error);
    }
}

/// Runs a chat with a client that has sent a request and received the first byte of the answer.
#[track_caller]
fn check_end(size: usize, client: impl FnOnce(TcpStream) + Send + 'static) {
    let (ours, mut stream) = pair();
    let endings = Endings::default();
    let sender = Sender {
        size,
        endings: Rc::clone(&endings),
    };
    let mut io_loop = TestLoop::new();
    let chat = AsyncChat::new(ours, sender).terminator(b"\n");
    io_loop.add(Box::new(chat)).unwrap();
    let client = thread::spawn(move || {
        stream.write_all(b"GET\n").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        client(stream);
    });
    io_loop.run().unwrap();
    client.join().unwrap();
    assert_eq!(*endings.borrow(), [None]);
}

#[test]
fn a_peer_that_had_sent_more_lost_the_end_of_the_output() {
    const SIZE: usize = 8 * 1024 * 1024;
    check_end(SIZE, |mut stream| {
        stream.write_all(b"\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(answer.len(), SIZE - 1 + 3);
        assert!(answer.ends_with(b"END"));
    });
}

#[test]
fn a_peer_may_break_off_once_all_is_sent() {
    check_end(1, |mut stream| {
        stream.read_to_end(&mut Vec::new()).unwrap();
        let socket = socket2::SockRef::from(&stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    });
}

#[test]
fn a_peer_that_goes_on_sending_is_not_listened_to_for_good() {
    check_end(1, |mut stream| {
        stream.read_to_end(&mut Vec::new()).unwrap();
        while stream.write(&[0; 4096]).is_ok() {}
    });
}

/// Sends `reply` for each piece, and records the most bytes that were queued.
struct Amplifier {
    reply: Vec<u8>,
    pieces: Counter,
    most_unsent: Counter,
}

impl ChatHandler for Amplifier {
    fn received(&mut self, _: &[u8], peer: &mut Channel, _: &mut Context<'_>) -> io::Result<()> {
        count(&self.pieces);
        peer.push(&self.reply);
        self.most_unsent
            .set(self.most_unsent.get().max(peer.unsent()));
        Ok(())
    }
}

#[test]
fn one_read_queued_any_amount_of_output() {
    const PIECES: usize = 20_000;
    const REPLY: usize = 1000;
    let (ours, mut stream) = pair();
    // The system has received all of it before the loop reads.
    stream.write_all(&[b'\n'; PIECES]).unwrap();
    let amplifier = Amplifier {
        reply: vec![b'x'; REPLY],
        pieces: Counter::default(),
        most_unsent: Counter::default(),
    };
    let (pieces, most_unsent) = (amplifier.pieces.clone(), amplifier.most_unsent.clone());
    let mut io_loop = TestLoop::new();
    let chat = AsyncChat::new(ours, amplifier)
        .terminator(b"\n")
        .high_water(10 * REPLY);
    io_loop.add(Box::new(chat)).unwrap();
    while pieces.get() < PIECES / 100 {
        io_loop.turn(None).unwrap();
    }
    // The rest of the input waits until the client reads, and is not lost, even at the end of the
    // input.
    let client = thread::spawn(move || {
        stream.shutdown(Shutdown::Write).unwrap();
        io::copy(&mut stream, &mut io::sink()).unwrap()
    });
    io_loop.run().unwrap();
    assert_eq!(client.join().unwrap(), (PIECES * REPLY) as u64);
    assert_eq!(pieces.get(), PIECES);
    assert_eq!(most_unsent.get(), 11 * REPLY);
}

/// Removes itself at the first piece, or in `notified` when a piece has already come.
struct Remover {
    is_notified: bool,
    pieces: Counter,
    endings: Endings,
}

impl ChatHandler for Remover {
    fn received(&mut self, _: &[u8], _: &mut Channel, cx: &mut Context<'_>) -> io::Result<()> {
        count(&self.pieces);
        if self.is_notified {
            cx.notifier().notify();
        } else {
            assert!(cx.remove(cx.id()));
        }
        Ok(())
    }

    fn notified(&mut self, peer: &mut Channel, cx: &mut Context<'_>) -> io::Result<()> {
        peer.set_terminator(b";");
        assert!(cx.remove(cx.id()));
        Ok(())
    }

    fn closed(&mut self, error: Option<io::Error>, _: &mut Context<'_>) {
        note(&self.endings, error);
    }
}

#[track_caller]
fn check_removed(is_notified: bool, input: &[u8]) {
    let (ours, mut stream) = pair();
    stream.write_all(input).unwrap();
    let remover = Remover {
        is_notified,
        pieces: Counter::default(),
        endings: Endings::default(),
    };
    let (pieces, endings) = (remover.pieces.clone(), Rc::clone(&remover.endings));
    let mut io_loop = TestLoop::new();
    let chat = AsyncChat::new(ours, remover).terminator(b"\n");
    io_loop.add(Box::new(chat)).unwrap();
    io_loop.run().unwrap();
    assert_eq!((pieces.get(), &**endings.borrow()), (1, &[None][..]));
}

#[test]
fn a_removed_chat_was_given_the_rest_of_its_input() {
    check_removed(false, b"one\ntwo\nthree\n");
    check_removed(true, b"one\ntwo;three;");
}

/// Panics at its first call.
struct Panicking(Endings);

impl ChatHandler for Panicking {
    fn connected(&mut self, _: &mut Channel, _: &mut Context<'_>) -> io::Result<()> {
        panic!("as expected")
    }

    fn received(&mut self, _: &[u8], _: &mut Channel, _: &mut Context<'_>) -> io::Result<()> {
        unreachable!("the chat is over")
    }

    fn closed(&mut self, error: Option<io::Error>, _: &mut Context<'_>) {
        note(&self.0, error);
    }
}

#[test]
fn a_chat_that_panicked_as_it_began_was_not_closed() {
    let (ours, _peer) = pair();
    let endings = Endings::default();
    let mut io_loop = TestLoop::new();
    let chat = AsyncChat::new(ours, Panicking(Rc::clone(&endings)));
    io_loop.add(Box::new(chat)).unwrap();
    assert!(io_loop.is_empty());
    assert_eq!(*endings.borrow(), [Some(ErrorKind::Other)]);
}

/// Has a source and a timer besides the peer, and tells the peer of both.
struct Owner {
    other: Registration<mio::net::TcpStream>,
}

impl ChatHandler for Owner {
    fn connected(&mut self, _: &mut Channel, cx: &mut Context<'_>) -> io::Result<()> {
        cx.start_timer_after(Duration::ZERO);
        self.other.register(cx, Interest::READ)
    }

    fn received(&mut self, _: &[u8], _: &mut Channel, _: &mut Context<'_>) -> io::Result<()> {
        unreachable!("the peer sends nothing")
    }

    fn timeout(&mut self, _: TimerId, peer: &mut Channel, _: &mut Context<'_>) -> io::Result<()> {
        peer.push(b"[timer]");
        Ok(())
    }

    fn ready(
        &mut self,
        source: SourceId,
        ready: Ready,
        peer: &mut Channel,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let socket = self.other.socket().unwrap();
        assert_eq!(source, socket.id());
        assert!(ready.readable());
        let mut buffer = [0; 8];
        let count = cx.read(socket, &mut buffer)?;
        peer.push(&buffer[..count]);
        cx.set_interest(source, Interest::NONE);
        Ok(())
    }
}

#[test]
fn the_timers_and_other_sources_of_a_chat_called_nothing() {
    let ((ours, mut peer), (other, mut writing)) = (pair(), pair());
    writing.write_all(b"[other]").unwrap();
    let mut io_loop = TestLoop::new();
    let owner = Owner {
        other: Registration::new(other),
    };
    io_loop.add(Box::new(AsyncChat::new(ours, owner))).unwrap();
    peer.set_read_timeout(Some(LONG)).unwrap();
    let reader = thread::spawn(move || {
        let mut text = [0; 14];
        peer.read_exact(&mut text).unwrap();
        text
    });
    while !reader.is_finished() {
        io_loop.turn(Some(Duration::from_millis(10))).unwrap();
    }
    let mut text = reader.join().unwrap();
    text.sort_unstable();
    let mut expected = *b"[timer][other]";
    expected.sort_unstable();
    assert_eq!(text, expected);
}

/// Has a source that it does not serve.
struct Careless {
    other: Registration<mio::net::TcpStream>,
}

impl ChatHandler for Careless {
    fn connected(&mut self, _: &mut Channel, cx: &mut Context<'_>) -> io::Result<()> {
        self.other.register(cx, Interest::WRITE)
    }

    fn received(&mut self, _: &[u8], _: &mut Channel, _: &mut Context<'_>) -> io::Result<()> {
        unreachable!("the peer sends nothing")
    }
}

#[test]
fn a_source_that_a_chat_did_not_serve_was_reported_in_every_turn() {
    let ((ours, _peer), (other, _far_end)) = (pair(), pair());
    let mut io_loop = TestLoop::new();
    let careless = Careless {
        other: Registration::new(other),
    };
    io_loop
        .add(Box::new(AsyncChat::new(ours, careless)))
        .unwrap();
    assert_eq!(io_loop.turn(None).unwrap(), None);
}

#[test]
fn a_room_kept_all_that_a_guest_did_not_read() {
    let room = example::Room::default();
    let mut io_loop = TestLoop::new();
    let [mut talking, mut silent] = [(); 2].map(|()| {
        let (ours, guest) = pair();
        io_loop.add(Box::new(room.admit(ours))).unwrap();
        guest
    });
    silent.write_all(b"silent\n").unwrap();
    talking.write_all(b"talking\n").unwrap();
    let talking = thread::spawn(move || {
        let line = [&[b'x'; 900][..], b"\n"].concat();
        // More than the system buffers for the other peer.
        for _ in 0..40_000 {
            talking.write_all(&line).unwrap();
        }
        talking
    });
    while !talking.is_finished() {
        io_loop.turn(Some(Duration::from_millis(10))).unwrap();
    }
    talking.join().unwrap();
    assert_eq!(io_loop.handler_count(), 1);
}
