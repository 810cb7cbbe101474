//! The data connection: the client's end, which the dialogue rules, and the server's.

use std::collections::VecDeque;
use std::net::SocketAddr;

use ftpdlib_proto::{AsciiReceiver, AsciiSender, TransferEnd, TransferType, VirtualPath};
use ftpdlib_session::{DataEvent, Transfer};
use ftpdlib_tests::dialogue::{DataStep, fill_in, passive_port};

use super::jobs::Payload;

pub(crate) struct DataConnection {
    /// The client's end of the control connection.
    peer: SocketAddr,
    events: VecDeque<DataEvent>,
    /// Ports opened by the server so far.
    ports: u16,
    /// The port the server listens on.
    server_port: Option<u16>,
    /// The port the client was told last.
    told_port: Option<u16>,
    /// Whether the client listens.
    client_listens: bool,
    /// Whether it is a stranger who waits to be let in.
    stranger_waits: bool,
    established: Option<Established>,
    transfer: Option<Running>,
    /// What the client is about to read.
    reading: Option<Expected>,
    stored: Option<(VirtualPath, Vec<u8>)>,
    complaint: Option<String>,
}

#[derive(Default)]
struct Established {
    from_client: Vec<u8>,
    client_closed: bool,
}

struct Running {
    payload: Payload,
    transfer_type: TransferType,
    stopped: Option<TransferEnd>,
}

enum Expected {
    Exactly(Vec<u8>),
    Containing(Vec<u8>),
}

const CLIENT_PORT: u16 = 50_200;

impl DataConnection {
    pub(crate) fn new(peer: SocketAddr) -> Self {
        Self {
            peer,
            events: VecDeque::new(),
            ports: 0,
            server_port: None,
            told_port: None,
            client_listens: false,
            stranger_waits: false,
            established: None,
            transfer: None,
            reading: None,
            stored: None,
            complaint: None,
        }
    }

    /// Does what the dialogue says.
    pub(crate) fn take(&mut self, step: &DataStep) -> Result<(), String> {
        match step {
            DataStep::Connect => self.knock(self.peer)?,
            DataStep::Stranger => {
                self.stranger_waits = true;
                self.knock(SocketAddr::from(([198, 51, 100, 9], 50_000)))?;
            }
            DataStep::Listen => self.client_listens = true,
            DataStep::Read(expected) => {
                self.reading = Some(Expected::Exactly(expected.clone()));
            }
            DataStep::Contains(expected) => {
                self.reading = Some(Expected::Containing(expected.clone()));
            }
            DataStep::Write(bytes) => self.connection()?.from_client.extend(bytes),
            DataStep::Close => self.connection()?.client_closed = true,
            DataStep::Closed if self.established.is_some() => {
                return Err("the data connection is open".to_owned());
            }
            DataStep::Closed => {}
        }
        Ok(())
    }

    /// Takes a line from the server: it may tell a port.
    pub(crate) fn hear(&mut self, line: &[u8]) {
        self.told_port = passive_port(line).or(self.told_port);
    }

    /// Puts the client's port into a line.
    pub(crate) fn fill_in(&self, line: &[u8]) -> Result<Vec<u8>, String> {
        let address = SocketAddr::new(self.peer.ip(), CLIENT_PORT);
        let none = || "the client does not listen".to_owned();
        fill_in(line, self.client_listens.then_some(address)).ok_or_else(none)
    }

    pub(crate) fn server_listens(&mut self) {
        self.ports += 1;
        let port = 50_100 + self.ports;
        self.server_port = Some(port);
        self.events.push_back(DataEvent::Listening { port });
    }

    pub(crate) fn server_connects(&mut self, target: SocketAddr) {
        let there = self.client_listens && target.port() == CLIENT_PORT;
        self.events.push_back(if there {
            self.client_listens = false;
            self.established = Some(Established::default());
            DataEvent::Connected
        } else {
            DataEvent::Failed
        });
    }

    pub(crate) fn server_closes(&mut self) {
        self.server_port = None;
        self.established = None;
    }

    /// Whoever waits is let in, or is not.
    pub(crate) fn answer_door(&mut self, open: bool) {
        if std::mem::take(&mut self.stranger_waits) == open {
            self.complaint = Some("the wrong one was let in".to_owned());
        }
        if open {
            self.server_port = None;
            self.established = Some(Established::default());
        }
    }

    pub(crate) fn start(&mut self, transfer: Transfer<Payload>) {
        self.transfer = Some(Running {
            payload: transfer.payload,
            transfer_type: transfer.transfer_type,
            stopped: None,
        });
    }

    pub(crate) fn abort(&mut self, end: TransferEnd) {
        let running = self.transfer.as_mut().expect("only a transfer is aborted");
        running.stopped = Some(end);
    }

    /// What the session is to be told next.
    pub(crate) fn poll_event(&mut self) -> Option<DataEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let end = self.end_of_transfer()?;
        let running = self.transfer.take()?;
        let connection = self.established.take()?;
        let bytes = match running.payload {
            Payload::Read(content) | Payload::List(content) if end == TransferEnd::Complete => {
                self.give_to_reader(running.transfer_type, &content)
            }
            Payload::Read(_) | Payload::List(_) => 0,
            Payload::Write(target) => {
                let received = connection.from_client;
                let bytes = received.len();
                let content = from_wire(running.transfer_type, received);
                self.stored = Some(target.with(&content));
                bytes
            }
        };
        Some(DataEvent::Ended {
            end,
            bytes: bytes as u64,
            refusal: None,
        })
    }

    pub(crate) fn take_stored(&mut self) -> Option<(VirtualPath, Vec<u8>)> {
        self.stored.take()
    }

    /// Bytes the transfer in progress has moved.
    pub(crate) fn progress(&self) -> Option<u64> {
        let connection = self.established.as_ref()?;
        self.transfer.as_ref()?;
        Some(connection.from_client.len() as u64)
    }

    /// What went wrong, if anything did; a read has to be over by the end of its step.
    pub(crate) fn complaint(&mut self) -> Result<(), String> {
        if self.reading.take().is_some() {
            return Err("nothing to read".to_owned());
        }
        self.complaint.take().map_or(Ok(()), Err)
    }

    fn end_of_transfer(&self) -> Option<TransferEnd> {
        let running = self.transfer.as_ref()?;
        let connection = self.established.as_ref()?;
        if running.stopped.is_some() {
            return running.stopped.clone();
        }
        match running.payload {
            Payload::Write(_) => connection.client_closed.then_some(TransferEnd::Complete),
            Payload::Read(_) | Payload::List(_) if self.reading.is_some() => {
                Some(TransferEnd::Complete)
            }
            Payload::Read(_) | Payload::List(_) => {
                connection.client_closed.then_some(TransferEnd::Reset)
            }
        }
    }

    fn give_to_reader(&mut self, transfer_type: TransferType, content: &[u8]) -> usize {
        let wire = to_wire(transfer_type, content);
        let matches = match self.reading.take() {
            None => true,
            Some(Expected::Exactly(expected)) => wire == expected,
            Some(Expected::Containing(expected)) => lossy(&wire).contains(&lossy(&expected)),
        };
        if !matches {
            self.complaint = Some(format!("read {:?}", lossy(&wire)));
        }
        wire.len()
    }

    fn knock(&mut self, peer: SocketAddr) -> Result<(), String> {
        if self.told_port.is_none() || self.told_port != self.server_port {
            return Err("nobody listens on the port told last".to_owned());
        }
        self.events.push_back(DataEvent::Accepted { peer });
        Ok(())
    }

    fn connection(&mut self) -> Result<&mut Established, String> {
        let none = || "no data connection".to_owned();
        self.established.as_mut().ok_or_else(none)
    }
}

fn to_wire(transfer_type: TransferType, content: &[u8]) -> Vec<u8> {
    match transfer_type {
        TransferType::Image => content.to_vec(),
        TransferType::Ascii => {
            let mut wire = Vec::new();
            AsciiSender::default().translate(content, &mut wire);
            wire
        }
    }
}

fn from_wire(transfer_type: TransferType, wire: Vec<u8>) -> Vec<u8> {
    match transfer_type {
        TransferType::Image => wire,
        TransferType::Ascii => {
            let mut content = Vec::new();
            let mut receiver = AsciiReceiver::default();
            receiver.translate(&wire, &mut content);
            receiver.finish(&mut content);
            content
        }
    }
}

pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
