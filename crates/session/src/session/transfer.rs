//! Transfers: RETR, STOR, APPE, STOU, LIST, NLST, MLSD, STAT with a path, ABOR (RFC 959 §4.1.3).

use std::borrow::Cow;
use std::time::Instant;

use ftpdlib_proto::{
    ListArgument, Reply, TransferDirection, TransferEnd, TransferType, Verb, VirtualPath,
};

use super::Session;
use super::data_channel::DataChannel;
use super::parameters::Restart;
use super::pending::{Pending, Purpose};
use super::timers::after;
use crate::{
    Action, Effect, ListFormat, Over, Refusal, SessionEvent, Transfer, Transferred, WriteHow,
};

/// A transfer command whose file or listing is being opened.
#[derive(Debug)]
pub(super) struct Opening {
    verb: Verb,
    pub(super) direction: TransferDirection,
    transfer_type: TransferType,
    after_rest: bool,
    /// STOU: what leads from the working directory to the name made, as given.
    prefix: Vec<u8>,
}

/// The command that began a transfer, as events tell it.
#[derive(Debug)]
struct TransferCommand {
    username: String,
    verb: Verb,
    path: VirtualPath,
}

/// A transfer that waits for its data connection.
#[derive(Debug)]
pub(super) struct Queued<P> {
    /// What is to run.
    pub(super) transfer: Transfer<P>,
    /// Its 150.
    pub(super) preliminary: Reply,
    command: TransferCommand,
}

/// A transfer in progress.
#[derive(Debug)]
pub(super) struct Running {
    /// Whether it was told to stop.
    pub(super) stopping: bool,
    /// Bytes moved, as far as told.
    pub(super) bytes: u64,
    /// Which way they move.
    pub(super) direction: TransferDirection,
    over: Over,
    command: TransferCommand,
    since: Instant,
}

impl<P> Session<P> {
    /// RETR: asks for the job `OpenRead`.
    ///
    /// Its answer comes back by [`handle_job`](Self::handle_job), and from there to
    /// [`transfer_opened`](Self::transfer_opened), or if it is a refusal to
    /// [`act_on_refusal`](Self::act_on_refusal): so it is with every transfer command.
    pub(super) fn retr(&mut self, restart: Restart, name: &[u8]) -> Result<(), Reply> {
        self.check_ascii_restart(&restart)?;
        let Restart { range, by_rest } = restart;
        let path = self.resolve(name)?;
        let action = Action::OpenRead { path, range };
        let opening = Opening {
            after_rest: by_rest,
            ..self.opening(Verb::Retr, TransferDirection::Download)
        };
        self.open(opening, action)
    }

    /// STOR.
    pub(super) fn stor(&mut self, restart: Restart, name: &[u8]) -> Result<(), Reply> {
        self.check_ascii_restart(&restart)?;
        let path = self.resolve(name)?;
        let range = restart.range;
        let how = match (range.start(), range.end()) {
            (_, Some(_)) => WriteHow::Within(range),
            (0, None) => WriteHow::Replace,
            (offset, None) => WriteHow::At(offset),
        };
        let action = Action::OpenWrite { path, how };
        self.open(self.opening(Verb::Stor, TransferDirection::Upload), action)
    }

    /// APPE.
    pub(super) fn appe(&mut self, restart: Restart, name: &[u8]) -> Result<(), Reply> {
        check_no_restart(&restart, "APPE")?;
        let path = self.resolve(name)?;
        let how = WriteHow::Append;
        let action = Action::OpenWrite { path, how };
        self.open(self.opening(Verb::Appe, TransferDirection::Upload), action)
    }

    /// STOU: the name given, or `ftpd`, and a dot begin the name made.
    pub(super) fn stou(&mut self, restart: Restart, name: Option<&[u8]>) -> Result<(), Reply> {
        check_no_restart(&restart, "STOU")?;
        let given = name.unwrap_or(b"ftpd");
        let path = self.resolve(given)?;
        if path.is_root() || names_directory(given) {
            return Err(Reply::new(553, "Not a file name."));
        }
        let prefix = prefix_of(given, &path);
        let path = self.resolve(&[path.as_bytes(), b"."].concat())?;
        let how = WriteHow::Unique;
        let action = Action::OpenWrite { path, how };
        let opening = Opening {
            prefix,
            ..self.opening(Verb::Stou, TransferDirection::Upload)
        };
        self.open(opening, action)
    }

    /// LIST, NLST; MLSD through [`mlsd`](Self::mlsd).
    pub(super) fn list(
        &mut self,
        verb: Verb,
        argument: ListArgument<'_>,
        format: ListFormat,
    ) -> Result<(), Reply> {
        let action = self.listing(argument, format)?;
        let opening = Opening {
            transfer_type: TransferType::Image,
            ..self.opening(verb, TransferDirection::Download)
        };
        self.open(opening, action)
    }

    /// MLSD.
    pub(super) fn mlsd(&mut self, path: Option<Cow<'_, [u8]>>) -> Result<(), Reply> {
        let format = ListFormat::Facts(self.parameters.facts);
        let argument = ListArgument { path, whole: None };
        self.list(Verb::Mlsd, argument, format)
    }

    /// STAT with a path: a listing on the control connection. No other reply may come before its
    /// end.
    pub(super) fn stat_path(&mut self, argument: ListArgument<'_>) -> Result<(), Reply> {
        if self.is_transferring() {
            return Err(Reply::new(450, "A transfer is in progress."));
        }
        let action = self.listing(argument, ListFormat::Long)?;
        self.ask(Verb::Stat, action, Purpose::StatListing);
        Ok(())
    }

    /// ABOR: 426 for the transfer, 226 for itself (RFC 959 §4.1.3); 225 where there was none.
    ///
    /// A client that sends ABOR and closes the data connection expects the same two replies
    /// whichever is noticed first. Therefore the first ABOR after a transfer that got its 426 is
    /// answered 226 too.
    pub(super) fn abor(&mut self) {
        let aborted_ahead = std::mem::take(&mut self.aborted_ahead);
        let has_broken_off = std::mem::take(&mut self.has_broken_off);
        if let Pending::Work(_) = self.pending {
            return self.abort_work();
        }
        if matches!(self.data, DataChannel::Transferring(_)) {
            self.pending = Pending::Abort;
            return self.abort_transfer(TransferEnd::Aborted);
        }
        let was_closed = matches!(self.data, DataChannel::Closed);
        let has_aborted = self.close_data();
        if has_aborted {
            self.end_transfer(Reply::new(426, "Transfer aborted via ABOR."));
        }
        let (code, text) = if was_closed && has_broken_off {
            (226, "The transfer had broken off.")
        } else if has_aborted || aborted_ahead {
            (226, "ABOR command successful.")
        } else if was_closed {
            (225, "No transfer to abort.")
        } else {
            (225, "ABOR command successful; data channel closed.")
        };
        self.reply(Reply::new(code, text));
    }

    /// The file or listing is open: now for the data connection.
    pub(super) fn transfer_opened(
        &mut self,
        opening: Opening,
        payload: P,
        size: Option<u64>,
        path: VirtualPath,
        now: Instant,
    ) {
        if !self.ending.may_reply() {
            return self.discard(payload);
        }
        let queued = Box::new(Queued {
            preliminary: opening.reply(size, &path),
            transfer: Transfer {
                payload,
                direction: opening.direction,
                over: Over::Data,
                transfer_type: opening.transfer_type,
                after_rest: opening.after_rest,
            },
            command: self.transfer_command(opening.verb, path),
        });
        self.data = match std::mem::take(&mut self.data) {
            DataChannel::Open { .. } => {
                self.reply(queued.preliminary.clone());
                self.start_transfer(*queued, now)
            }
            DataChannel::Listening {
                deadline,
                queued: None,
            } => {
                self.reply(queued.preliminary.clone());
                let queued = Some(queued);
                DataChannel::Listening { deadline, queued }
            }
            DataChannel::Target(address) => {
                self.effects.push_back(Effect::Connect(address));
                let deadline = after(now, self.config.active_timeout);
                DataChannel::Connecting {
                    deadline,
                    queued,
                    held: None,
                }
            }
            // It broke, or its time ran out, while the file was being opened.
            gone @ (DataChannel::Closed
            | DataChannel::Listening { .. }
            | DataChannel::Connecting { .. }
            | DataChannel::Transferring(_)) => {
                self.discard(queued.transfer.payload);
                self.reply(Reply::new(425, "Can't open data connection."));
                gone
            }
        };
    }

    /// The listing of STAT is open.
    pub(super) fn stat_listing_opened(&mut self, payload: P, path: VirtualPath, now: Instant) {
        if !self.ending.may_reply() {
            return self.discard(payload);
        }
        let text = [b"Status of ", path.as_bytes(), b":"].concat();
        self.reply(Reply::opening(213, text));
        let (direction, over) = (TransferDirection::Download, Over::Control);
        self.pending = Pending::StatListing(Box::new(Running {
            stopping: false,
            bytes: 0,
            direction,
            over,
            command: self.transfer_command(Verb::Stat, path),
            since: now,
        }));
        self.effects.push_back(Effect::StartTransfer(Transfer {
            payload,
            direction,
            over,
            transfer_type: TransferType::Image,
            after_rest: false,
        }));
    }

    /// Lets a transfer run over the data connection that has just come to stand.
    pub(super) fn start_transfer(&mut self, queued: Queued<P>, now: Instant) -> DataChannel<P> {
        let direction = queued.transfer.direction;
        self.kept_for_download = false;
        self.effects
            .push_back(Effect::StartTransfer(queued.transfer));
        DataChannel::Transferring(Box::new(Running {
            stopping: false,
            bytes: 0,
            direction,
            over: Over::Data,
            command: queued.command,
            since: now,
        }))
    }

    /// Bytes moved so far.
    pub(super) fn progressed(&mut self, bytes: u64) {
        if let DataChannel::Transferring(running) = &mut self.data {
            running.bytes = bytes;
        }
    }

    /// A transfer is over.
    pub(super) fn transfer_ended(
        &mut self,
        end: TransferEnd,
        bytes: u64,
        refusal: Option<Refusal>,
        now: Instant,
    ) {
        let Some(running) = self.take_running() else {
            return;
        };
        match (running.over, &end) {
            (over, TransferEnd::Stalled) => self.stalled(over, now),
            (Over::Data, _) => self.reply_to_transfer(&end, refusal),
            (Over::Control, TransferEnd::Complete) if refusal.is_none() => {
                self.reply(Reply::new(213, "End of status."));
            }
            (Over::Control, _) => self.end_incomplete_status(),
        }
        self.active_at = now;
        self.tell(running.into_event(end, bytes, now));
    }

    /// Takes the transfer in progress out of where it is kept.
    fn take_running(&mut self) -> Option<Box<Running>> {
        match (
            std::mem::take(&mut self.data),
            std::mem::take(&mut self.pending),
        ) {
            (DataChannel::Transferring(running), pending) => {
                self.pending = pending;
                Some(running)
            }
            (data, Pending::StatListing(running)) => {
                self.data = data;
                Some(running)
            }
            (data, pending) => {
                (self.data, self.pending) = (data, pending);
                None
            }
        }
    }

    /// Ends the session along with a transfer that made no progress: its client is not heard of
    /// any more.
    fn stalled(&mut self, over: Over, now: Instant) {
        let text = match over {
            Over::Data => "Data connection timed out; closing control connection.",
            Over::Control => {
                self.end_incomplete_status();
                "Control connection timed out."
            }
        };
        if let Pending::Abort = self.pending {
            // It came too late, and the one reply is its, too.
            self.pending = Pending::Nothing;
        }
        self.disconnect(Reply::new(421, text), now);
    }

    /// Ends the multi-line reply to STAT, whose code stays that of its first line.
    fn end_incomplete_status(&mut self) {
        let text = "End of status; the listing is incomplete.";
        self.reply(Reply::new(213, text));
    }

    /// The final reply of a transfer, and ABOR's own if that is what ended it.
    fn reply_to_transfer(&mut self, end: &TransferEnd, refusal: Option<Refusal>) {
        if !matches!(self.pending, Pending::Abort) {
            let reply = end_reply(end, refusal);
            self.has_broken_off = reply.code().value() == 426;
            return self.end_transfer(reply);
        }
        self.pending = Pending::Nothing;
        self.end_transfer(if *end == TransferEnd::Complete {
            end_reply(end, refusal)
        } else {
            Reply::new(426, "Transfer aborted via ABOR.")
        });
        self.reply(Reply::new(226, "ABOR command successful."));
    }

    /// Asks for what a transfer command names to be opened, if a data connection is there or agreed
    /// on.
    fn open(&mut self, opening: Opening, action: Action) -> Result<(), Reply> {
        self.check_no_transfer()?;
        if self.kept_for_download && opening.direction == TransferDirection::Upload {
            // The client may have closed it since: the upload would be empty.
            self.close_data();
        }
        if matches!(self.data, DataChannel::Closed) {
            return Err(Reply::new(425, "Use PASV or PORT first."));
        }
        self.ask(opening.verb, action, Purpose::Transfer(opening));
        Ok(())
    }

    fn transfer_command(&self, verb: Verb, path: VirtualPath) -> TransferCommand {
        TransferCommand {
            username: self.username().unwrap_or_default().to_owned(),
            verb,
            path,
        }
    }

    fn opening(&self, verb: Verb, direction: TransferDirection) -> Opening {
        Opening {
            verb,
            direction,
            transfer_type: self.parameters.transfer_type,
            after_rest: false,
            prefix: Vec::new(),
        }
    }

    fn listing(&self, argument: ListArgument<'_>, format: ListFormat) -> Result<Action, Reply> {
        let given = argument.path.as_deref().unwrap_or_default();
        let path = self.resolve(given)?;
        let whole = match &argument.whole {
            Some(given) => {
                let whole = self.resolve(given)?;
                let prefix = prefix_of(given, &whole);
                Some((whole, prefix))
            }
            None => None,
        };
        Ok(Action::OpenList {
            prefix: prefix_of(given, &path),
            path,
            whole,
            format,
            encoding: self.parameters.encoding,
        })
    }
}

impl Opening {
    /// The 150 of this transfer.
    ///
    /// For RETR it tells the whole size of the file, also after REST: clients that use the number
    /// take it as the size, not as what is left. Translated to ASCII the size is unknown.
    /// For STOU it tells the name in a form that leads to the file (RFC 1123 §4.1.2.9).
    fn reply(&self, size: Option<u64>, path: &VirtualPath) -> Reply {
        let name = path.file_name().unwrap_or(b"/");
        match (self.verb, self.transfer_type) {
            (Verb::Retr, TransferType::Image) => {
                let size = size.map_or_else(String::new, |size| format!(" ({size} bytes)"));
                let text = [
                    b"Opening BINARY mode data connection for ",
                    name,
                    size.as_bytes(),
                    b".",
                ];
                Reply::bytes(150, text.concat())
            }
            (Verb::Retr, TransferType::Ascii) => {
                let text = [b"Opening ASCII mode data connection for ", name, b"."];
                Reply::bytes(150, text.concat())
            }
            (Verb::Stou, _) => {
                Reply::bytes(150, [b"FILE: ", self.prefix.as_slice(), name].concat())
            }
            (Verb::Stor | Verb::Appe, _) => Reply::new(150, "Ok to send data."),
            _ => Reply::new(150, "Here comes the directory listing."),
        }
    }
}

impl Running {
    fn into_event(self, end: TransferEnd, bytes: u64, now: Instant) -> SessionEvent {
        let TransferCommand {
            username,
            verb,
            path,
        } = self.command;
        SessionEvent::TransferEnded {
            username,
            verb,
            content: match (self.direction, verb) {
                (TransferDirection::Upload, _) | (TransferDirection::Download, Verb::Retr) => {
                    Transferred::File(self.direction)
                }
                (TransferDirection::Download, _) => Transferred::Listing,
            },
            path,
            end,
            bytes,
            duration: now.saturating_duration_since(self.since),
        }
    }
}

/// Refuses APPE and STOU after REST or RANG: where they begin is not the client's to choose.
fn check_no_restart(restart: &Restart, verb: &str) -> Result<(), Reply> {
    if !restart.range.is_whole() {
        let text = format!("Can't {verb} while REST request is pending.");
        return Err(Reply::new(450, text));
    }
    Ok(())
}

/// Whether a name ends in what stands for a directory.
fn names_directory(given: &[u8]) -> bool {
    let last = without_end_slashes(given)
        .rsplit(|&byte| byte == b'/')
        .next();
    matches!(last, Some(b"." | b".."))
}

fn without_end_slashes(given: &[u8]) -> &[u8] {
    match given.iter().rposition(|&byte| byte != b'/') {
        Some(last) => &given[..=last],
        None => given,
    }
}

/// What stands before the last part of `path` where it was `given` so.
fn prefix_of(given: &[u8], path: &VirtualPath) -> Vec<u8> {
    let given = without_end_slashes(given);
    let prefix = path.file_name().and_then(|name| given.strip_suffix(name));
    prefix.unwrap_or_default().to_vec()
}

/// The reply to a transfer that ended by itself, and did not stall.
fn end_reply(end: &TransferEnd, refusal: Option<Refusal>) -> Reply {
    match (end, refusal) {
        (TransferEnd::Complete | TransferEnd::LocalError, Some(refusal)) => refusal.into_reply(),
        (TransferEnd::Complete, None) => Reply::new(226, "Transfer complete."),
        (TransferEnd::LocalError, None) => Refusal::local_error().into_reply(),
        (TransferEnd::Unsecured, _) => {
            Reply::new(522, "TLS on the data connection failed; transfer aborted.")
        }
        (TransferEnd::Truncated, _) => Reply::new(
            426,
            "Data connection ended without TLS close_notify; file may be incomplete.",
        ),
        (TransferEnd::Shutdown, _) => Reply::new(426, "Server is shutting down; transfer aborted."),
        (
            TransferEnd::Reset
            | TransferEnd::Aborted
            | TransferEnd::Stalled
            | TransferEnd::ControlLost,
            _,
        ) => Reply::new(426, "Connection closed; transfer aborted."),
    }
}
