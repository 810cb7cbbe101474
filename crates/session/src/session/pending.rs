//! What a session waits for before it wants the next line, and what it does with a job's answer.

use std::sync::Arc;
use std::time::Instant;

use ftpdlib_proto::{HashAlgorithm, Reply, TransferDirection, Verb, VirtualPath};

use super::Session;
use super::data_ports::PassiveReply;
use super::login::LoginDelay;
use super::running::{Running, TransferCommand};
use super::security::Handshake;
use super::work::Work;
use crate::{Answer, Change, Effect, JobOutcome, Refusal, Secret, SessionEvent};

/// What the session waits for. There is at most one such thing, which keeps replies in order.
#[derive(Debug, Default)]
pub(super) enum Pending {
    /// Nothing: the next line is wanted.
    #[default]
    Nothing,
    /// The outcome of a job.
    Job(Box<Purpose>),
    /// The handshake on the control connection.
    Handshake(Box<Handshake>),
    /// The outcome of work; a few commands are answered meanwhile, and one other is held.
    Work(Box<Work>),
    /// A passive port, which is reported in this form.
    PassivePort(PassiveReply),
    /// The time to answer a failed login.
    LoginDelay(Box<LoginDelay>),
    /// The end of a listing inside a multi-line reply, which no other reply may interrupt.
    StatListing(Box<Running>),
    /// The end of the transfer that ABOR stops.
    Abort,
}

impl Pending {
    /// Whether the next line may be handed over.
    pub(super) fn takes_commands(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Work(work) => work.takes_commands(),
            Self::Handshake(_)
            | Self::Job(_)
            | Self::PassivePort(_)
            | Self::LoginDelay(_)
            | Self::StatListing(_)
            | Self::Abort => false,
        }
    }

    /// Whether this is a command that looks at files or changes them, other than a transfer.
    pub(super) fn is_of_files(&self) -> bool {
        match self {
            Self::Job(purpose) => !matches!(
                **purpose,
                Purpose::Login { .. } | Purpose::Transfer(_) | Purpose::Registered
            ),
            Self::StatListing(_) => true,
            Self::Nothing
            | Self::Handshake(_)
            | Self::Work(_)
            | Self::PassivePort(_)
            | Self::LoginDelay(_)
            | Self::Abort => false,
        }
    }

    /// Whether this belongs to a transfer command.
    pub(super) fn is_transfer(&self) -> bool {
        match self {
            Self::Job(purpose) => {
                matches!(**purpose, Purpose::Transfer(_) | Purpose::StatListing)
            }
            Self::StatListing(_) | Self::Abort => true,
            Self::Nothing
            | Self::Handshake(_)
            | Self::Work(_)
            | Self::PassivePort(_)
            | Self::LoginDelay(_) => false,
        }
    }

    /// Whether the file of an upload is being opened.
    pub(super) fn is_upload(&self) -> bool {
        let Self::Job(purpose) = self else {
            return false;
        };
        let Purpose::Transfer(command) = &**purpose else {
            return false;
        };
        command.direction() == TransferDirection::Upload
    }
}

/// What a job is for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// PASS, or USER of a client that has presented a certificate.
    Login {
        /// The name given with USER.
        username: String,
        /// The password given, to be reported if the login fails; `None` if only the certificate is
        /// checked.
        password: Option<Secret<Arc<str>>>,
        /// When the command came.
        arrived: Instant,
        /// Whether this USER ended an earlier login.
        flushed: bool,
    },
    /// CWD, CDUP: the new working directory.
    ChangeDirectory(VirtualPath),
    /// SIZE of this file.
    Size(VirtualPath),
    /// MDTM of this file.
    Modified(VirtualPath),
    /// MDTM with a time. If there is a file that has the whole argument as its name, its time is
    /// shown; otherwise the time is set.
    ModifiedOrSet {
        /// The file named by the whole argument.
        whole: VirtualPath,
        /// The file whose time may be set.
        path: VirtualPath,
        /// The time, in seconds since 1970.
        time: i64,
    },
    /// MLST.
    FactLine,
    /// RNFR.
    RenameFrom(VirtualPath),
    /// CPFR.
    CopyFrom(VirtualPath),
    /// AVBL.
    Space,
    /// HASH, with the name as given.
    Hash(HashAlgorithm, Vec<u8>),
    /// XCRC and its relatives.
    Digest,
    /// A command that changes the filesystem.
    Change {
        /// The command, for logs and observers.
        verb: Verb,
        /// The change, for logs and observers.
        change: Change,
        /// The reply if it succeeds.
        reply: Reply,
    },
    /// COMB.
    Combine {
        /// The target.
        target: VirtualPath,
        /// The parts.
        parts: Vec<VirtualPath>,
    },
    /// A transfer command.
    Transfer(TransferCommand),
    /// STAT with a path.
    StatListing,
    /// A registered command.
    Registered,
}

impl<P> Session<P> {
    /// Stops waiting for a job, and acts on its outcome.
    pub(super) fn job_ended(&mut self, outcome: JobOutcome<P>, now: Instant) {
        let purpose = match std::mem::take(&mut self.pending) {
            Pending::Job(purpose) => *purpose,
            Pending::Work(work) => return self.work_ended(*work, outcome, now),
            other @ (Pending::Nothing
            | Pending::Handshake(_)
            | Pending::PassivePort(_)
            | Pending::LoginDelay(_)
            | Pending::StatListing(_)
            | Pending::Abort) => {
                self.pending = other;
                return self.drop_answer(outcome);
            }
        };
        match outcome {
            Ok(answer) => self.act_on_answer(purpose, answer, now),
            Err(refusal) => self.act_on_refusal(purpose, refusal, now),
        }
    }

    /// Completes a command with the answer of its job.
    pub(super) fn act_on_answer(&mut self, purpose: Purpose, answer: Answer<P>, now: Instant) {
        match (purpose, answer) {
            (Purpose::Login { password, .. }, Answer::Login(facts)) => {
                self.logged_in(facts, password.is_none());
            }
            (
                Purpose::Login {
                    username,
                    password: None,
                    flushed,
                    ..
                },
                Answer::PasswordNeeded,
            ) => self.ask_for_password(username, flushed),
            (Purpose::ChangeDirectory(path), Answer::Done) => self.directory_changed(path),
            (Purpose::Size(path), Answer::Metadata(metadata)) => {
                self.reply_about_file(&path, &metadata, |metadata| metadata.size.to_string());
            }
            (
                Purpose::Modified(path) | Purpose::ModifiedOrSet { whole: path, .. },
                Answer::Metadata(metadata),
            ) => self.reply_with_time(&path, &metadata),
            (Purpose::FactLine, Answer::Text(line)) => {
                self.reply(Reply::multi(250, "Listing:", [line], "End MLST."));
            }
            (Purpose::Registered, Answer::Reply(reply)) => self.reply_as_told(reply, now),
            (Purpose::RenameFrom(path), Answer::Done) => self.rename_selected(path),
            (Purpose::CopyFrom(path), Answer::Metadata(metadata)) => {
                self.copy_selected(path, &metadata)
            }
            (Purpose::Space, Answer::Space(bytes)) => {
                self.reply(Reply::new(213, bytes.to_string()))
            }
            (Purpose::Hash(algorithm, name), Answer::Digest { digest, range }) => {
                self.hash_done(algorithm, &digest, &range, &name);
            }
            (Purpose::Digest, Answer::Digest { digest, .. }) => {
                self.digest_done(&digest);
            }
            (
                Purpose::Change {
                    verb,
                    change,
                    reply,
                },
                Answer::Done,
            ) => {
                self.reply(reply);
                self.tell(SessionEvent::Changed { verb, change });
            }
            (Purpose::Combine { target, parts }, Answer::Combined { removed, refusal }) => {
                self.combined(target, &parts, &removed, refusal);
            }
            (
                Purpose::Transfer(command),
                Answer::Opened {
                    payload,
                    size,
                    path,
                },
            ) => self.transfer_opened(command, payload, size, path, now),
            (Purpose::StatListing, Answer::Opened { payload, path, .. }) => {
                self.stat_listing_opened(payload, path, now);
            }
            (purpose, answer) => {
                // The driver gave the wrong kind of answer; the client still gets a reply.
                self.drop_answer(Ok(answer));
                let refusal = Refusal::local_error();
                self.act_on_refusal(purpose, refusal, now);
            }
        }
    }

    /// Completes a command whose job was refused.
    pub(super) fn act_on_refusal(&mut self, purpose: Purpose, refusal: Refusal, now: Instant) {
        match purpose {
            Purpose::Login {
                username,
                password,
                arrived,
                flushed: _,
            } => self.login_failed(username, password, arrived, refusal, now),
            Purpose::Transfer(command) => {
                self.settle_data(Some(command.direction()));
                self.reply(refusal.into_reply());
            }
            // It is not known now which of the two files is meant.
            Purpose::ModifiedOrSet { .. } if refusal.code.is_transient() => {
                self.reply(refusal.into_reply());
            }
            Purpose::ModifiedOrSet { path, time, .. } => self.set_time_instead(path, time),
            Purpose::ChangeDirectory(_)
            | Purpose::Size(_)
            | Purpose::Modified(_)
            | Purpose::FactLine
            | Purpose::RenameFrom(_)
            | Purpose::CopyFrom(_)
            | Purpose::Space
            | Purpose::Hash(..)
            | Purpose::Digest
            | Purpose::Change { .. }
            | Purpose::Combine { .. }
            | Purpose::StatListing
            | Purpose::Registered => self.reply(refusal.into_reply()),
        }
    }

    /// Discards what a job opened if nothing waits for it.
    fn drop_answer(&mut self, outcome: JobOutcome<P>) {
        if let Ok(Answer::Opened { payload, .. }) = outcome {
            self.discard(payload);
        }
    }

    /// Hands an opened file or listing back unused.
    pub(super) fn discard(&mut self, payload: P) {
        self.effects.push_back(Effect::Discard(payload));
    }
}
