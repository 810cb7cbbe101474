//! Sources: which readiness is reported, how often, and to which handler.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ftpdlib_ioloop::{Direction, Flow, Interest, IoLoop, Socket};

use crate::support::{Call, Counter, LONG, Probe, TestLoop, count, pair};

#[test]
fn a_handler_is_called_again_for_what_it_left() {
    let (server, mut client) = pair();
    client.write_all(b"abc").unwrap();
    let (mut server, mut socket) = (Some(server), None);
    let calls = Counter::default();
    let counter = calls.clone();
    let mut text = Vec::new();

    let mut io_loop = TestLoop::new();
    let probe = Probe::boxed(move |call, cx| {
        match (call, server.take()) {
            (Call::Start, Some(stream)) => socket = Some(cx.register(stream, Interest::READ)?),
            (Call::Ready(..), _) => {
                let mut byte = [0];
                match cx.read(socket.as_ref().unwrap(), &mut byte) {
                    Ok(_) => text.push(byte[0]),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
                counter.set(text.len());
                if text == b"abc" {
                    return Ok(Flow::Close);
                }
            }
            _ => {}
        }
        Ok(Flow::Continue)
    });
    io_loop.add(probe).unwrap();
    while !io_loop.is_empty() {
        let before = calls.get();
        io_loop.turn(Some(LONG)).unwrap();
        assert!(calls.get() <= before + 1, "once per turn");
    }
    assert_eq!(calls.get(), 3);
}

#[test]
fn a_pause_loses_nothing() {
    let (server, mut client) = pair();
    let (mut server, mut socket) = (Some(server), None);
    let id = Rc::new(Cell::new(None));
    let (registered, calls) = (id.clone(), Counter::default());
    let counter = calls.clone();

    let mut io_loop = TestLoop::new();
    let probe = Probe::boxed(move |call, cx| {
        match (call, server.take()) {
            (Call::Start, Some(stream)) => {
                let registration = cx.register(stream, Interest::NONE)?;
                // From here on, only an event makes the source readable.
                let drained = cx.read(&registration, &mut [0; 8]);
                assert_eq!(drained.unwrap_err().kind(), ErrorKind::WouldBlock);
                registered.set(Some(registration.id()));
                socket = Some(registration);
            }
            (Call::Ready(_, ready), _) => {
                assert!(ready.readable() && !ready.writable());
                count(&counter);
                assert_eq!(cx.read(socket.as_ref().unwrap(), &mut [0; 8])?, 5);
                return Ok(Flow::Close);
            }
            _ => {}
        }
        Ok(Flow::Continue)
    });
    io_loop.add(probe).unwrap();
    // The first event reports that the source is writable; the second comes from the client.
    io_loop.turn(Some(LONG)).unwrap();
    client.write_all(b"hello").unwrap();
    io_loop.turn(Some(LONG)).unwrap();
    assert_eq!(calls.get(), 0);
    io_loop.call_later(Duration::ZERO, move |cx| {
        cx.set_interest(id.get().unwrap(), Interest::READ);
    });
    io_loop.run().unwrap();
    assert_eq!(calls.get(), 1);
}

#[test]
fn a_source_closed_in_this_turn_is_not_served() {
    for explicitly in [true, false] {
        let (mut streams, mut sockets) = (Some([pair(), pair()]), Vec::new());
        let mut clients = Vec::new();
        let calls = Counter::default();
        let counter = calls.clone();

        let mut io_loop = TestLoop::new();
        let probe = Probe::boxed(move |call, cx| {
            match call {
                Call::Start => {
                    for (server, client) in streams.take().into_iter().flatten() {
                        sockets.push(cx.register(server, Interest::BOTH)?);
                        clients.push(client);
                    }
                }
                Call::Ready(source, _) => {
                    count(&counter);
                    let other = sockets
                        .iter()
                        .position(|socket| socket.id() != source)
                        .unwrap();
                    let socket = sockets.remove(other);
                    if explicitly {
                        cx.close(socket)
                    } else {
                        drop(socket)
                    }
                    // Reuses the slot of the closed source, and is ready for nothing.
                    let (server, client) = pair();
                    let fresh = cx.register_connecting(server, Interest::READ)?;
                    cx.set_interest(source, Interest::NONE);
                    sockets.push(fresh);
                    clients.push(client);
                }
                _ => {}
            }
            Ok(Flow::Continue)
        });
        io_loop.add(probe).unwrap();
        for _ in 0..3 {
            io_loop.turn(Some(Duration::ZERO)).unwrap();
        }
        assert_eq!(calls.get(), 1);
    }
}

#[test]
fn sources_take_turns() {
    let (mut streams, mut sockets) = (Some([pair(), pair(), pair()]), Vec::new());
    let order = Rc::new(RefCell::new(Vec::new()));
    let served = order.clone();

    let mut io_loop = TestLoop::new();
    let probe = Probe::boxed(move |call, cx| {
        match call {
            Call::Start => {
                for (server, _) in streams.take().into_iter().flatten() {
                    sockets.push(cx.register(server, Interest::WRITE)?);
                }
            }
            Call::Ready(source, _) => {
                let place = sockets.iter().position(|socket| socket.id() == source);
                served.borrow_mut().push(place.unwrap());
            }
            _ => {}
        }
        Ok(Flow::Continue)
    });
    io_loop.add(probe).unwrap();
    for _ in 0..3 {
        let next = io_loop.turn(None).unwrap();
        assert_eq!(next, Some(Duration::ZERO), "all are ready still");
    }
    assert_eq!(*order.borrow(), [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_hangup_is_told_to_who_does_not_read() {
    let (server, mut client) = pair();
    client.write_all(b"unread").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let (mut server, mut sockets) = (Some(server), Vec::new());
    let calls = Counter::default();
    let counter = calls.clone();

    let mut io_loop = TestLoop::new();
    let probe = Probe::boxed(move |call, cx| {
        match (call, server.take()) {
            (Call::Start, Some(stream)) => sockets.push(cx.register(stream, Interest::HANGUP)?),
            (Call::Ready(_, ready), _) => {
                assert!(ready.hung_up() && !ready.readable());
                count(&counter);
                cx.call_later(Duration::ZERO, |cx| cx.stop());
            }
            _ => {}
        }
        Ok(Flow::Continue)
    });
    io_loop.add(probe).unwrap();
    io_loop.run().unwrap();
    io_loop.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(calls.get(), 1, "once");
}

#[test]
fn a_detached_stream_is_open_and_may_be_registered_again() {
    let (server, mut client) = pair();
    client.write_all(b"x").unwrap();
    let mut server = Some(server);

    let mut io_loop = TestLoop::new();
    let probe = Probe::boxed(move |call, cx| {
        if let (Call::Start, Some(stream)) = (call, server.take()) {
            let socket = cx.register(stream, Interest::BOTH)?;
            let stream = cx.detach(socket)?;
            let socket = cx.register(stream, Interest::BOTH)?;
            assert_eq!(cx.read(&socket, &mut [0; 8])?, 1);
        }
        Ok(Flow::Close)
    });
    io_loop.add(probe).unwrap();
}

#[test]
fn a_socket_that_outlives_its_handler_is_not_reported() {
    let (server, _client) = pair();
    let kept: Rc<Cell<Option<Socket<_>>>> = Rc::default();
    let (keep, mut server) = (kept.clone(), Some(server));

    let mut io_loop = TestLoop::new();
    let probe = Probe::boxed(move |call, cx| {
        if let (Call::Start, Some(stream)) = (call, server.take()) {
            keep.set(Some(cx.register(stream, Interest::BOTH)?));
        }
        Ok(Flow::Close)
    });
    io_loop.add(probe).unwrap();
    io_loop.turn(None).unwrap();
    assert!(io_loop.is_empty());
    assert_eq!(io_loop.turn(Some(Duration::ZERO)).unwrap(), None);
    assert!(kept.take().is_some());
}

#[test]
fn callbacks_without_a_handler_register_nothing() {
    let (server, _client) = pair();
    let mut io_loop = TestLoop::new();
    io_loop.call_later(Duration::ZERO, |cx| {
        assert!(cx.register(server, Interest::BOTH).is_err());
        cx.start_timer_after(Duration::ZERO);
        cx.notifier().notify();
    });
    io_loop.run().unwrap();
    assert!(io_loop.is_empty());
}

#[test]
fn an_interrupted_operation_is_tried_again() {
    let (server, _client) = pair();
    let mut server = Some(server);
    let mut io_loop = TestLoop::new();
    let probe = Probe::boxed(move |call, cx| {
        if let (Call::Start, Some(stream)) = (call, server.take()) {
            let socket = cx.register(stream, Interest::NONE)?;
            let mut tries = 0;
            let outcome = cx.try_io(&socket, Direction::Read, |_| {
                tries += 1;
                if tries < 3 {
                    Err(io::Error::from(ErrorKind::Interrupted))
                } else {
                    Ok(tries)
                }
            });
            assert_eq!(outcome?, 3);
        }
        Ok(Flow::Continue)
    });
    io_loop.add(probe).unwrap();
}

#[test]
fn a_loop_that_looks_for_answers_hears_of_everything_else() {
    let (stream, mut client) = pair();
    let mut stream = Some(stream);
    let mut socket = None;
    let mut io_loop = TestLoop::new();
    let echo = Probe::boxed(move |call, cx| {
        if let Call::Start = call {
            socket = Some(cx.register(stream.take().unwrap(), Interest::READ)?);
        }
        let (Call::Ready(..), Some(socket)) = (call, &socket) else {
            return Ok(Flow::Continue);
        };
        let mut byte = [0];
        if cx.read(socket, &mut byte).is_ok() {
            cx.write(socket, &byte)?;
            cx.expect_answer(LONG);
        }
        Ok(Flow::Continue)
    });
    io_loop.add(echo).unwrap();
    let handle = io_loop.handle();
    let (tell, told) = mpsc::channel();
    let peer = thread::spawn(move || {
        // Enough answers for the loop to recognise a dialogue.
        for byte in 0..100 {
            client.write_all(&[byte]).unwrap();
            let mut echoed = [0];
            client.read_exact(&mut echoed).unwrap();
            assert_eq!(echoed, [byte]);
        }
        // No more bytes follow, so only this call ends the polling.
        handle.call_soon(move |_| tell.send(()).unwrap());
        told.recv().unwrap();
        handle.stop();
        client
    });
    io_loop.run().unwrap();
    drop(peer.join().unwrap());
}

/// Adds a handler whose source moves much data, and is ready in each turn.
fn add_transfer(io_loop: &mut IoLoop, mut called: impl FnMut() + 'static) -> TcpStream {
    let (server, client) = pair();
    let (mut server, mut sockets) = (Some(server), Vec::new());
    let transfer = Probe::boxed(move |call, cx| {
        match (call, server.take()) {
            (Call::Start, Some(stream)) => {
                let registration = cx.register(stream, Interest::NONE)?;
                cx.set_bulk(registration.id(), true);
                cx.set_interest(registration.id(), Interest::WRITE);
                sockets.push(registration);
            }
            (Call::Ready(..), _) => called(),
            _ => {}
        }
        Ok(Flow::Continue)
    });
    io_loop.add(transfer).unwrap();
    client
}

#[test]
fn a_transfer_had_two_turns_in_one() {
    let mut io_loop = TestLoop::new();
    let calls = Counter::default();
    let counter = calls.clone();
    let _client = add_transfer(&mut io_loop, move || count(&counter));
    for _ in 0..20 {
        let before = calls.get();
        io_loop.turn(Some(LONG)).unwrap();
        assert!(calls.get() <= before + 1);
    }
    assert!(calls.get() > 0);
}

#[test]
fn a_client_waited_for_every_transfer_of_all_others() {
    const TRANSFERS: usize = 500;
    let mut io_loop = TestLoop::new();
    let calls = Rc::new(RefCell::new(vec![0; TRANSFERS]));
    let sum = |calls: &Rc<RefCell<Vec<usize>>>| calls.borrow().iter().sum::<usize>();
    let mut clients = Vec::new();
    for own in 0..TRANSFERS {
        let calls = calls.clone();
        clients.push(add_transfer(&mut io_loop, move || {
            // Far longer than what the turn does else.
            thread::sleep(Duration::from_micros(100));
            calls.borrow_mut()[own] += 1;
        }));
    }
    // What is sent on it has arrived at once, unlike over TCP on a busy machine.
    let (server, mut client) = UnixStream::pair().unwrap();
    server.set_nonblocking(true).unwrap();
    let server = mio::net::UnixStream::from_std(server);
    let (mut server, mut socket, answered) = (Some(server), None, Counter::default());
    let answers = answered.clone();
    let other = Probe::boxed(move |call, cx| {
        match (call, server.take()) {
            (Call::Start, Some(stream)) => socket = Some(cx.register(stream, Interest::READ)?),
            (Call::Ready(..), _) => {
                let registration = socket.as_ref().unwrap();
                cx.try_io(registration, Direction::Read, |mut stream| {
                    stream.read(&mut [0; 8])
                })?;
                cx.note_short_read(registration.id());
                count(&answers);
            }
            _ => {}
        }
        Ok(Flow::Continue)
    });
    io_loop.add(other).unwrap();
    let mut counts = Vec::new();
    for _ in 0..TRANSFERS {
        client.write_all(b"x").unwrap();
        let before = (answered.get(), sum(&calls));
        io_loop.turn(Some(LONG)).unwrap();
        assert!(answered.get() > before.0, "answered in the next turn");
        counts.push(sum(&calls) - before.1);
    }
    // A turn in which this thread was stopped by others may have served more.
    counts.sort();
    let median = counts[TRANSFERS / 2];
    assert!(median < TRANSFERS / 2, "{median} calls in a turn");
    // Each has had its turn, in order.
    let calls = calls.borrow();
    let (least, most) = (calls.iter().min().unwrap(), calls.iter().max().unwrap());
    assert!(*least > 0 && most - least <= 1, "{calls:?}");
}
