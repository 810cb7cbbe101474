//! epoll itself, level-triggered, the way a small server in C does it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};

use crate::cpus::Cpus;
use crate::figures::Sample;
use crate::wake;

const LISTENER: u64 = u64::MAX;

struct Client {
    stream: TcpStream,
    rest: Vec<u8>,
}

pub(crate) fn serve(listener: TcpListener) -> io::Result<()> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let data = EventData::new_u64(LISTENER);
    epoll::add(&poll, &listener, data, EventFlags::IN)?;
    let mut events = Vec::with_capacity(1024);
    let mut clients: Vec<Option<Client>> = Vec::new();
    let mut free = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        epoll::wait(&poll, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            if event.data.u64() == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let index = free.pop().unwrap_or_else(|| {
                        clients.push(None);
                        clients.len() - 1
                    });
                    let data = EventData::new_u64(index as u64);
                    epoll::add(&poll, &stream, data, EventFlags::IN)?;
                    let rest = Vec::new();
                    clients[index] = Some(Client { stream, rest });
                }
                continue;
            }
            let index = event.data.u64() as usize;
            let Some(client) = &mut clients[index] else {
                continue;
            };
            let was_behind = !client.rest.is_empty();
            if !echo(client, &mut buffer) {
                clients[index] = None;
                free.push(index);
            } else if was_behind == client.rest.is_empty() {
                let flags = if was_behind {
                    EventFlags::IN
                } else {
                    EventFlags::OUT
                };
                epoll::modify(&poll, &client.stream, event.data, flags)?;
            }
        }
    }
}

/// Echoes a piece; whether the client is still there.
fn echo(client: &mut Client, buffer: &mut [u8]) -> bool {
    if !client.rest.is_empty() {
        return match client.stream.write(&client.rest) {
            Ok(sent) => {
                client.rest.drain(..sent);
                true
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
    }
    match client.stream.read(buffer) {
        Ok(0) => false,
        Ok(bytes) => {
            let sent = client.stream.write(&buffer[..bytes]).unwrap_or(0);
            client.rest.extend_from_slice(&buffer[sent..bytes]);
            true
        }
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

/// An eventfd beside a queue.
pub(crate) fn wake_ups(count: usize, cpus: Cpus) -> io::Result<Sample> {
    let (mut answers, alarm) = wake::pair(count, cpus);
    let bell = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let flags = EventFlags::IN | EventFlags::ET;
    epoll::add(&poll, &*bell, EventData::new_u64(0), flags)?;
    let (work, queue) = mpsc::channel();
    let ringing = alarm.set(move || {
        // The loop is there, and a counter takes a few thousand.
        let _ = work.send(());
        let _ = rustix::io::write(&*bell, &1u64.to_ne_bytes());
    })?;
    let mut events = Vec::with_capacity(16);
    let mut more = true;
    while more {
        epoll::wait(&poll, spare_capacity(&mut events), None)?;
        events.clear();
        for () in queue.try_iter() {
            more = answers.answer();
        }
    }
    ringing.finish()
}
