//! Transfers: RETR, STOR, APPE, STOU, LIST, NLST, MLSD, STAT with a path, ABOR (RFC 959 §4.1.3).

use std::borrow::Cow;
use std::time::Instant;

use ftpdlib_proto::{
    ListArgument, Reply, TransferDirection, TransferEnd, TransferType, Transferred, Verb,
    VirtualPath,
};

use super::Session;
use super::data_channel::DataChannel;
use super::parameters::Restart;
use super::pending::{Pending, Purpose};
use super::running::{Queued, Running, TransferCommand, end_reply};
use super::timers::after;
use crate::{Action, Effect, ListFormat, Over, Refusal, Transfer, WriteHow};

impl<P> Session<P> {
    /// RETR: asks for the job `OpenRead`.
    ///
    /// The answer of every transfer command's job comes back through
    /// [`handle_job`](Self::handle_job), and goes on to [`transfer_opened`](Self::transfer_opened),
    /// or if it is a refusal to [`act_on_refusal`](Self::act_on_refusal).
    pub(super) fn retr(&mut self, restart: Restart, name: &[u8]) -> Result<(), Reply> {
        self.check_ascii_restart(&restart)?;
        let Restart { range, by_rest } = restart;
        let path = self.resolve(name)?;
        let action = Action::OpenRead { path, range };
        let command = TransferCommand {
            after_rest: by_rest,
            ..self.transfer_command(Verb::Retr)
        };
        self.open(command, action)
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
        self.open(self.transfer_command(Verb::Stor), action)
    }

    /// APPE.
    pub(super) fn appe(&mut self, restart: Restart, name: &[u8]) -> Result<(), Reply> {
        check_no_restart(&restart, "APPE")?;
        let path = self.resolve(name)?;
        let how = WriteHow::Append;
        let action = Action::OpenWrite { path, how };
        self.open(self.transfer_command(Verb::Appe), action)
    }

    /// STOU: the new name begins with the name given, or `ftpd`, and a dot.
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
        let command = TransferCommand {
            prefix,
            ..self.transfer_command(Verb::Stou)
        };
        self.open(command, action)
    }

    /// LIST, NLST; MLSD through [`mlsd`](Self::mlsd).
    pub(super) fn list(
        &mut self,
        verb: Verb,
        argument: ListArgument<'_>,
        format: ListFormat,
    ) -> Result<(), Reply> {
        let action = self.listing(argument, format)?;
        self.open(self.transfer_command(verb), action)
    }

    /// MLSD.
    pub(super) fn mlsd(&mut self, path: Option<Cow<'_, [u8]>>) -> Result<(), Reply> {
        let format = ListFormat::Facts(self.parameters.facts);
        let argument = ListArgument { path, whole: None };
        self.list(Verb::Mlsd, argument, format)
    }

    /// STAT with a path: a listing on the control connection, which no other reply may interrupt.
    pub(super) fn stat_path(&mut self, argument: ListArgument<'_>) -> Result<(), Reply> {
        if self.is_transferring() {
            return Err(Reply::new(450, "A transfer is in progress."));
        }
        let action = self.listing(argument, ListFormat::Long)?;
        self.ask(Verb::Stat, action, Purpose::StatListing);
        Ok(())
    }

    /// ABOR: 426 for the transfer, 226 for ABOR itself (RFC 959 §4.1.3); 225 if there was no
    /// transfer.
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
            self.transfer_reply(Reply::new(426, "Transfer aborted via ABOR."));
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

    /// The file or listing is open: goes on with the data connection.
    pub(super) fn transfer_opened(
        &mut self,
        command: TransferCommand,
        payload: P,
        size: Option<u64>,
        path: VirtualPath,
        now: Instant,
    ) {
        if !self.ending.may_reply() {
            return self.discard(payload);
        }
        let queued = Box::new(self.queued(command, payload, size, path));
        self.data = match std::mem::take(&mut self.data) {
            DataChannel::Open { .. } => {
                self.reply(queued.preliminary());
                self.start_transfer(*queued, now)
            }
            DataChannel::Listening {
                deadline,
                queued: None,
            } => {
                self.reply(queued.preliminary());
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
            // It broke or expired while the file was being opened.
            gone @ (DataChannel::Closed
            | DataChannel::Listening { .. }
            | DataChannel::Connecting { .. }
            | DataChannel::Transferring(_)) => {
                self.discard(queued.payload);
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
        let command = self.transfer_command(Verb::Stat);
        let queued = self.queued(command, payload, None, path);
        self.reply(queued.preliminary());
        self.pending = Pending::StatListing(self.begin_running(queued, Over::Control, now));
    }

    /// Starts a transfer over the data connection that has just been established.
    pub(super) fn start_transfer(&mut self, queued: Queued<P>, now: Instant) -> DataChannel<P> {
        self.kept_for_download = false;
        DataChannel::Transferring(self.begin_running(queued, Over::Data, now))
    }

    /// Takes note of how many bytes have been moved so far.
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
        let Some((over, running)) = self.take_running() else {
            return;
        };
        match (over, &end) {
            (_, TransferEnd::Stalled) => self.stalled(over, now),
            (Over::Data, _) => self.reply_to_transfer(&end, refusal),
            (Over::Control, TransferEnd::Complete) if refusal.is_none() => {
                self.reply(Reply::new(213, "End of status."));
            }
            (Over::Control, _) => self.end_incomplete_status(),
        }
        self.active_at = now;
        self.tell(running.into_event(end, bytes, now));
    }

    /// Takes the transfer in progress out of its state, and tells where its bytes go.
    fn take_running(&mut self) -> Option<(Over, Box<Running>)> {
        match (
            std::mem::take(&mut self.data),
            std::mem::take(&mut self.pending),
        ) {
            (DataChannel::Transferring(running), pending) => {
                self.pending = pending;
                Some((Over::Data, running))
            }
            (data, Pending::StatListing(running)) => {
                self.data = data;
                Some((Over::Control, running))
            }
            (data, pending) => {
                (self.data, self.pending) = (data, pending);
                None
            }
        }
    }

    /// Ends the session after a transfer that stalled: the client no longer responds.
    fn stalled(&mut self, over: Over, now: Instant) {
        let text = match over {
            Over::Data => "Data connection timed out; closing control connection.",
            Over::Control => {
                self.end_incomplete_status();
                "Control connection timed out."
            }
        };
        if let Pending::Abort = self.pending {
            // The ABOR came too late; this one reply answers it, too.
            self.pending = Pending::Nothing;
        }
        self.disconnect(Reply::new(421, text), now);
    }

    /// Ends the multi-line reply to STAT, which has to keep the code of its first line.
    fn end_incomplete_status(&mut self) {
        let text = "End of status; the listing is incomplete.";
        self.reply(Reply::new(213, text));
    }

    /// Gives the final reply of a transfer, and the reply to ABOR if that ended it.
    fn reply_to_transfer(&mut self, end: &TransferEnd, refusal: Option<Refusal>) {
        if !matches!(self.pending, Pending::Abort) {
            let reply = end_reply(end, refusal);
            self.has_broken_off = reply.code().value() == 426;
            return self.transfer_reply(reply);
        }
        self.pending = Pending::Nothing;
        self.transfer_reply(if *end == TransferEnd::Complete {
            end_reply(end, refusal)
        } else {
            Reply::new(426, "Transfer aborted via ABOR.")
        });
        self.reply(Reply::new(226, "ABOR command successful."));
    }

    /// Asks to open what a transfer command names, if there is a data connection or one is agreed
    /// on.
    fn open(&mut self, command: TransferCommand, action: Action) -> Result<(), Reply> {
        self.check_no_transfer()?;
        if self.kept_for_download && command.direction() == TransferDirection::Upload {
            // The client may have closed it by now, which would look like an empty upload.
            self.close_data();
        }
        if matches!(self.data, DataChannel::Closed) {
            return Err(Reply::new(425, "Use PASV or PORT first."));
        }
        self.ask(command.verb, action, Purpose::Transfer(command));
        Ok(())
    }

    /// Begins a transfer that has all it needs.
    fn begin_running(&mut self, queued: Queued<P>, over: Over, now: Instant) -> Box<Running> {
        let Queued {
            payload,
            size: _,
            command,
            username,
            path,
        } = queued;
        self.effects.push_back(Effect::StartTransfer(Transfer {
            payload,
            direction: command.direction(),
            over,
            transfer_type: command.transfer_type,
            after_rest: command.after_rest,
        }));
        Box::new(Running {
            stopping: false,
            bytes: 0,
            since: now,
            command,
            username,
            path,
        })
    }

    /// Makes a transfer of the current user, who may log out before it runs.
    fn queued(
        &self,
        command: TransferCommand,
        payload: P,
        size: Option<u64>,
        path: VirtualPath,
    ) -> Queued<P> {
        Queued {
            payload,
            size,
            command,
            username: self.username().unwrap_or_default().to_owned(),
            path,
        }
    }

    fn transfer_command(&self, verb: Verb) -> TransferCommand {
        TransferCommand {
            verb,
            transfer_type: match verb.transfers() {
                Some(Transferred::File(_)) => self.parameters.transfer_type,
                Some(Transferred::Listing) | None => TransferType::Image,
            },
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

/// Refuses APPE and STOU after REST or RANG: the client does not choose where they begin.
fn check_no_restart(restart: &Restart, verb: &str) -> Result<(), Reply> {
    if !restart.range.is_whole() {
        let text = format!("Can't {verb} while REST request is pending.");
        return Err(Reply::new(450, text));
    }
    Ok(())
}

/// Whether the last part of a name is `.` or `..`, which stand for directories.
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

/// What `given`, which resolved to `path`, has before its last part.
fn prefix_of(given: &[u8], path: &VirtualPath) -> Vec<u8> {
    let given = without_end_slashes(given);
    let prefix = path.file_name().and_then(|name| given.strip_suffix(name));
    prefix.unwrap_or_default().to_vec()
}
