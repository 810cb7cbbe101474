//! A process for each client.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use ftpdlib_handlers::{LimitReached, Reach};
use ftpdlib_ioloop::{
    AcceptState, Accepted, Context, Flow, Handler, Interest, Pool, Ready, Socket, SourceId, TimerId,
};
use mio::net::{TcpListener, TcpStream};

use super::child::ChildOptions;
use super::children::{ChildMessage, Children, ForkSide};
use super::parent_mailbox::{LentListeners, ParentMailbox};
use super::supervisor::Supervisor;
use crate::accepting::Refused;
use crate::shared::Shared;

/// The most processes of a server, whatever its limits are. Each takes about a megabyte, and more
/// of them could exhaust the machine's process table.
const MOST_PROCESSES: usize = 4096;

/// Most different client addresses that one process can count. One would do: data connections count
/// under the client's address, wherever they lead.
const ADDRESSES: usize = 6;

/// A bound that keeps a flood of clients from delaying other events.
const CLIENTS_PER_TURN: usize = 16;

/// Forks a process for each client (pyftpdlib: `MultiprocessFTPServer`). The parent accepts
/// clients, but reads nothing from them.
#[derive(Default)]
pub(crate) struct ProcessPerClient {
    mailbox: Arc<ParentMailbox>,
}

impl Supervisor for ProcessPerClient {
    fn model(&self) -> &'static str {
        "multi-proc"
    }

    fn mailbox(&self) -> &Arc<ParentMailbox> {
        &self.mailbox
    }

    fn handler(
        self: Arc<Self>,
        shared: &Arc<Shared>,
        pool: &Pool,
        options: ChildOptions,
    ) -> io::Result<Box<dyn Handler>> {
        Ok(Box::new(SessionSupervisor {
            children: Children::prepare(shared, pool, options, MOST_PROCESSES, ADDRESSES)?,
            shared: Arc::clone(shared),
            listeners: Vec::new(),
            accept_state: AcceptState::default(),
            mailbox: Arc::clone(&self.mailbox),
        }))
    }
}

/// Accepts clients and forks a process for each.
struct SessionSupervisor {
    mailbox: Arc<ParentMailbox>,
    shared: Arc<Shared>,
    listeners: LentListeners<Socket<TcpListener>>,
    children: Children,
    accept_state: AcceptState,
}

impl SessionSupervisor {
    /// Accepts from one listener; returns `false` if the system is out of resources.
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
        let refused = Refused::new(&service, &stream, peer);
        let Some(table) = self.children.take_table() else {
            return refused.over(LimitReached::Total);
        };
        // Counted in the table that belongs to the child once it is forked.
        let limits = service.limits();
        let permit = match service.is_proxy(peer.ip()) {
            true => limits.acquire_unnamed(),
            false => limits.acquire(peer.ip().to_canonical()),
        };
        let permit = match permit {
            Ok(permit) => permit,
            Err(limit) => {
                self.children.return_table(table);
                return refused.over(limit);
            }
        };
        match self.children.fork(table, 0, cx, || refused.tell()) {
            Ok(ForkSide::Parent(process)) => {
                log::debug!("client {peer} is served by process {process}");
                permit.hand_over();
            }
            Ok(ForkSide::Child(child)) => {
                self.listeners.clear();
                child.run_session(stream, peer, permit, cx);
            }
            Err(error) => {
                drop(permit);
                let reason = format_args!("no process for it: {error}");
                refused.because(&reason);
            }
        }
    }

    fn update_listeners(&mut self, cx: &mut Context<'_>) {
        self.mailbox.update(&mut self.listeners, |listener| {
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

impl Handler for SessionSupervisor {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        // From now on the mailbox delivers the listeners.
        self.mailbox.set_notifier(cx.notifier());
        Ok(())
    }

    fn ready(&mut self, source: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        // A listener may have been taken back in this turn, together with a change of the settings.
        self.update_listeners(cx);
        let mut listeners = self.listeners.iter();
        if listeners.any(|(_, listener)| listener.id() == source) {
            if !self.accept(source, cx) {
                self.set_accepting(false, cx);
                cx.start_timer_after(AcceptState::RETRY_DELAY);
            }
        } else if let Some(ChildMessage::Exited(exited)) = self.children.read_link(source, cx) {
            match &exited.end {
                Ok(end) if end.is_success() => {}
                Ok(end) => log::error!("session process {} has ended: {end}", exited.process),
                Err(error) => log::error!("session process {}: {error}", exited.process),
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
        self.children.hand_over(self.mailbox.take_files(), cx);
        self.update_listeners(cx);
        if self.mailbox.take_service_replaced() {
            self.shared.service().outdate_others(Reach::AllProcesses);
        }
        if let Some(request) = self.mailbox.stop_requested() {
            self.listeners.clear();
            self.children.request_stop(request, cx);
        }
        Ok(Flow::Continue)
    }
}
