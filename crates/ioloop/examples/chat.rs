//! A chat room where everyone reads what the others write. Takes the address to listen on.
//!
//! Handlers share only mailboxes: each puts its messages into the mailboxes of the others, and
//! notifies their owners. That works across threads, too.
//!
//! ```text
//! cargo run -p ftpdlib-ioloop --example chat -- 127.0.0.1:7008
//! ```

use std::error::Error;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use ftpdlib_ioloop::{
    Acceptor, AsyncChat, Channel, ChatHandler, Context, HandlerId, IoLoop, Notifier,
};
use mio::net::TcpStream;

struct Mailbox {
    owner: HandlerId,
    sender: Sender<Arc<str>>,
    notifier: Notifier,
}

#[derive(Clone, Default)]
pub(crate) struct Room {
    mailboxes: Arc<Mutex<Vec<Mailbox>>>,
}

impl Room {
    pub(crate) fn admit(&self, stream: TcpStream) -> AsyncChat<Guest> {
        let guest = Guest {
            room: self.clone(),
            name: None,
            mail: None,
        };
        AsyncChat::new(stream, guest)
            .terminator(b"\n")
            .max_piece(1000)
    }

    fn enter(&self, cx: &mut Context<'_>) -> Receiver<Arc<str>> {
        let (sender, mail) = channel();
        let mailbox = Mailbox {
            owner: cx.id(),
            sender,
            notifier: cx.notifier(),
        };
        self.with_mailboxes(|mailboxes| mailboxes.push(mailbox));
        mail
    }

    fn leave(&self, owner: HandlerId) {
        self.with_mailboxes(|mailboxes| mailboxes.retain(|mailbox| mailbox.owner != owner));
    }

    fn tell_others(&self, from: HandlerId, text: &str) {
        let text = Arc::from(text);
        self.with_mailboxes(|mailboxes| {
            for mailbox in mailboxes.iter().filter(|mailbox| mailbox.owner != from) {
                if mailbox.sender.send(Arc::clone(&text)).is_ok() {
                    mailbox.notifier.notify();
                }
            }
        });
    }

    fn with_mailboxes(&self, visit: impl FnOnce(&mut Vec<Mailbox>)) {
        visit(
            &mut self
                .mailboxes
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

/// How many bytes may wait for a guest: the others do not wait for a guest who does not read.
const MOST_UNSENT: usize = 1 << 20;

/// A peer, who first gives a name.
pub(crate) struct Guest {
    room: Room,
    name: Option<String>,
    mail: Option<Receiver<Arc<str>>>,
}

impl ChatHandler for Guest {
    fn connected(&mut self, peer: &mut Channel, _: &mut Context<'_>) -> io::Result<()> {
        peer.push(b"Your name? ");
        Ok(())
    }

    fn received(
        &mut self,
        line: &[u8],
        peer: &mut Channel,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let text = String::from_utf8_lossy(line.trim_ascii());
        match &self.name {
            Some(_) if text == "/quit" => peer.close_when_done(),
            Some(name) => self.room.tell_others(cx.id(), &format!("{name}: {text}\n")),
            None => {
                self.mail = Some(self.room.enter(cx));
                self.room
                    .tell_others(cx.id(), &format!("* {text} is here\n"));
                self.name = Some(text.into_owned());
            }
        }
        Ok(())
    }

    fn notified(&mut self, peer: &mut Channel, _: &mut Context<'_>) -> io::Result<()> {
        for text in self.mail.iter().flat_map(Receiver::try_iter) {
            if peer.unsent() > MOST_UNSENT {
                return Err(io::Error::other("does not read what the others write"));
            }
            peer.push(text.as_bytes());
        }
        Ok(())
    }

    fn closed(&mut self, _: Option<io::Error>, cx: &mut Context<'_>) {
        if let Some(name) = &self.name {
            self.room.leave(cx.id());
            self.room
                .tell_others(cx.id(), &format!("* {name} has left\n"));
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let addr = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:7008".into());
    let listener = Acceptor::bind(addr.parse()?, 100)?;
    eprintln!("chatting on {}", listener.local_addr()?);

    let room = Room::default();
    let mut io_loop = IoLoop::new()?;
    io_loop.add(Box::new(Acceptor::new(
        listener,
        move |stream, peer, cx| {
            if let Err(error) = cx.add(Box::new(room.admit(stream))) {
                eprintln!("{peer}: {error}");
            }
        },
    )))?;
    Ok(io_loop.run()?)
}
