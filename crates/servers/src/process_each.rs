//! A process for each client.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use ftpdlib_handlers::LimitReached;
use ftpdlib_ioloop::{
    AcceptState, Accepted, Context, Flow, Handler, Interest, Pool, Ready, Socket, SourceId, TimerId,
};
use mio::net::{TcpListener, TcpStream};

use crate::children::{Children, Forked, Heard};
use crate::client::{self, Client};
use crate::crew::{Crew, Lent};
use crate::handle::Shared;
use crate::loops::Loops;
use crate::placement::Placement;
use crate::worker::{ChildOptions, NewChild};

/// The most processes of a server, whatever its limits are: each takes about a megabyte, and there
/// are machines on which more of them leave nobody else a process.
const MOST_PROCESSES: usize = 4096;

/// Different client addresses that one process counts: its client's, and those of data connections
/// to elsewhere.
const ADDRESSES: usize = 6;

/// So that a flood of clients keeps nobody from noticing anything else.
const CLIENTS_PER_TURN: usize = 16;

/// Forks for each client (pyftpdlib: `MultiprocessFTPServer`). The parent accepts, and reads nothing.
#[derive(Default)]
pub(crate) struct ProcessEach {
    options: ChildOptions,
    crew: Arc<Crew>,
}

impl ProcessEach {
    pub(crate) fn new(options: ChildOptions) -> Self {
        Self {
            options,
            crew: Arc::default(),
        }
    }
}

impl Placement for ProcessEach {
    fn model(&self) -> &'static str {
        "multi-proc"
    }

    fn with_children(&self, options: &ChildOptions) -> Option<Arc<dyn Placement>> {
        Some(Arc::new(Self::new(options.clone())))
    }

    fn parent(
        self: Arc<Self>,
        shared: &Arc<Shared>,
        pool: &Pool,
    ) -> io::Result<Option<Box<dyn Handler>>> {
        ftpdlib_sys::check_forkable()?;
        let limits = Arc::clone(shared.service().limits());
        limits.share(MOST_PROCESSES, ADDRESSES)?;
        shared.service().sessions().share()?;
        Ok(Some(Box::new(SessionWatch {
            children: Children::new(shared, MOST_PROCESSES),
            shared: Arc::clone(shared),
            listeners: Vec::new(),
            pool: pool.clone(),
            accept_state: AcceptState::default(),
            each: self,
        })))
    }

    fn crew(&self) -> Option<&Arc<Crew>> {
        Some(&self.crew)
    }

    fn place(&self, client: Client, _: &mut Context<'_>) -> io::Result<()> {
        client.turn_away(&io::Error::other(
            "the parent of the processes serves nobody",
        ));
        Ok(())
    }
}

/// Accepts, and has a process for each client.
struct SessionWatch {
    each: Arc<ProcessEach>,
    shared: Arc<Shared>,
    listeners: Lent<Socket<TcpListener>>,
    pool: Pool,
    children: Children,
    accept_state: AcceptState,
}

impl SessionWatch {
    /// Accepts from one listener; answers whether the system has enough of everything.
    fn accept(&mut self, source: SourceId, cx: &mut Context<'_>) -> bool {
        for _ in 0..CLIENTS_PER_TURN {
            let mut listeners = self.listeners.iter().map(|(_, listener)| listener);
            let Some(listener) = listeners.find(|listener| listener.id() == source) else {
                return true;
            };
            match self.accept_state.accept(listener, cx) {
                Accepted::Client(stream, peer) => self.admit(stream, peer, cx),
                Accepted::Aborted => {}
                Accepted::NoneWaiting => return true,
                Accepted::OutOfResources => return false,
            }
        }
        true
    }

    /// Forks for a client, unless a limit is reached.
    fn admit(&mut self, stream: TcpStream, peer: SocketAddr, cx: &mut Context<'_>) {
        let service = self.shared.service();
        let Some(table) = self.children.take_table() else {
            client::refuse(&service, &stream, peer, LimitReached::Total.text());
            return;
        };
        let permit = if service.is_proxy(peer.ip()) {
            // Whoever reads what it says counts the client.
            None
        } else {
            // Counted in the child's table, which is the child's from the fork on.
            match service.limits().acquire(peer.ip().to_canonical()) {
                Ok(permit) => Some(permit),
                Err(limit) => {
                    self.children.return_table(table);
                    client::refuse(&service, &stream, peer, limit.text());
                    return;
                }
            }
        };
        match self.children.fork(table, 0, cx) {
            Ok(Forked::Parent(process)) => {
                log::debug!("client {peer} is served by process {process}");
                if let Some(permit) = permit {
                    permit.hand_over();
                }
            }
            Ok(Forked::Child(link)) => {
                self.listeners.clear();
                let child = NewChild {
                    link,
                    shared: &self.shared,
                    pool: self.pool.clone(),
                    options: &self.each.options,
                };
                child.serve(stream, peer, permit, Arc::new(Loops::new(1)));
            }
            Err(error) => {
                drop(permit);
                log::warn!("no process for client {peer}: {error}");
                client::refuse(&service, &stream, peer, client::NO_ROOM);
            }
        }
    }

    fn update_listeners(&mut self, cx: &mut Context<'_>) {
        let crew = &self.each.crew;
        crew.update(&mut self.listeners, |listener| {
            cx.register(listener, Interest::READ)
        });
    }

    fn set_accepting(&self, accepting: bool, cx: &mut Context<'_>) {
        let interest = if accepting {
            Interest::READ
        } else {
            Interest::NONE
        };
        for (_, listener) in &self.listeners {
            cx.set_interest(listener.id(), interest);
        }
    }
}

impl Handler for SessionWatch {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        // The listeners come now.
        self.each.crew.set_notifier(cx.notifier());
        Ok(())
    }

    fn ready(&mut self, source: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        // One may have been taken back in this turn, and with it the settings been changed.
        self.update_listeners(cx);
        let mut listeners = self.listeners.iter();
        if listeners.any(|(_, listener)| listener.id() == source) {
            if !self.accept(source, cx) {
                self.set_accepting(false, cx);
                cx.start_timer_after(AcceptState::RETRY_DELAY);
            }
        } else if let Some(Heard::End(departed)) = self.children.hear(source, cx) {
            match &departed.end {
                Ok(end) if end.is_success() => {}
                Ok(end) => log::error!("session process {} has ended: {end}", departed.process),
                Err(error) => log::error!("session process {}: {error}", departed.process),
            }
        }
        Ok(Flow::Continue)
    }

    fn timeout(&mut self, timer: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
        if !self.children.timeout(timer) {
            self.set_accepting(true, cx);
        }
        Ok(Flow::Continue)
    }

    fn notified(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        self.children.hand_over(self.each.crew.take_files(), cx);
        self.update_listeners(cx);
        if let Some(order) = self.each.crew.standing() {
            self.listeners.clear();
            self.children.pass_on(order, cx);
        }
        Ok(Flow::Continue)
    }
}
