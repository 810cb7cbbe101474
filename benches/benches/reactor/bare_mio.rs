//! mio, with no more around it than an echo needs.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::cpus::Cpus;
use crate::figures::Sample;
use crate::wake;

const LISTENER: Token = Token(usize::MAX);

struct Client {
    stream: TcpStream,
    rest: Vec<u8>,
}

pub(crate) fn serve(listener: TcpListener) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = mio::net::TcpListener::from_std(listener);
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients: Vec<Option<Client>> = Vec::new();
    let mut free = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let index = free.pop().unwrap_or_else(|| {
                        clients.push(None);
                        clients.len() - 1
                    });
                    let both = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(index), both)?;
                    let rest = Vec::new();
                    clients[index] = Some(Client { stream, rest });
                }
                continue;
            }
            let index = event.token().0;
            let open = clients[index]
                .as_mut()
                .is_none_or(|client| echo(client, &mut buffer));
            if !open {
                clients[index] = None;
                free.push(index);
            }
        }
    }
}

/// Echoes until something would block; whether the client is still there.
fn echo(client: &mut Client, buffer: &mut [u8]) -> bool {
    loop {
        while !client.rest.is_empty() {
            match client.stream.write(&client.rest) {
                Ok(sent) => drop(client.rest.drain(..sent)),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        match client.stream.read(buffer) {
            Ok(0) => return false,
            Ok(bytes) => {
                let sent = client.stream.write(&buffer[..bytes]).unwrap_or(0);
                client.rest.extend_from_slice(&buffer[sent..bytes]);
                if bytes < buffer.len() && client.rest.is_empty() {
                    return true;
                }
            }
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// A waker beside a queue.
pub(crate) fn wake_ups(count: usize, cpus: Cpus) -> io::Result<Sample> {
    let (mut answers, alarm) = wake::pair(count, cpus);
    let mut poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), LISTENER)?;
    let (work, queue) = mpsc::channel();
    let ringing = alarm.set(move || {
        // The loop is there, and a counter takes a few thousand.
        let _ = work.send(());
        let _ = waker.wake();
    })?;
    let mut events = Events::with_capacity(16);
    let mut more = true;
    while more {
        poll.poll(&mut events, None)?;
        for () in queue.try_iter() {
            more = answers.answer();
        }
    }
    ringing.finish()
}
