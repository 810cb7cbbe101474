//! The way from a line to the command that answers it.

use std::time::Instant;

use ftpdlib_proto::{
    Command, CommandError, CommandLine, EprtError, Reply, TransferDirection, Transferred, Verb,
};

use super::Session;
use super::files::Selected;
use super::held::Held;
use super::parameters::Restart;
use crate::{ListFormat, RegisteredCommand};

/// The number of consecutive unknown commands that ends the session.
const MOST_UNKNOWN: u32 = 50;

/// What earlier commands have prepared for the current one.
struct Prepared {
    /// By RNFR or CPFR, if that was the previous command, not counting NOOP.
    selected: Option<Selected>,
    /// By REST or RANG, for the next transfer or HASH.
    restart: Restart,
}

impl<P> Session<P> {
    /// Processes one line. Every line is answered, at once or when what it asks for is done.
    ///
    /// The methods of commands return a refusal as `Err`; the reply is given here, in one place.
    ///
    /// The order of refusals reveals nothing to strangers: unknown verb, argument missing or
    /// unexpected, not logged in, and only then anything wrong with the argument.
    pub(super) fn answer_line(&mut self, line: &[u8], now: Instant) {
        if self.holds_back(line) {
            return;
        }
        self.begin_answer();
        let line = CommandLine::split(line);
        let registered = RegisteredCommand::find(&self.config.commands, &line);
        if registered.is_none() && is_http(&line) {
            return self.disconnect(Reply::new(421, "This is an FTP server."), now);
        }
        let resolved = line.resolve();
        let verb = verb_of(&resolved);
        let prepared = self.take_prepared(verb);
        let answered = match registered {
            Some((index, argument)) => {
                self.unknown_commands = 0;
                self.run_registered(index, argument)
            }
            None => self.run_resolved(&line, resolved, prepared, now),
        };
        if let Err(refusal) = answered {
            self.reply(refusal);
        }
        self.settle_data(verb.and_then(transfer_direction));
    }

    fn run_resolved(
        &mut self,
        line: &CommandLine<'_>,
        resolved: Result<(Verb, &[u8]), CommandError>,
        prepared: Prepared,
        now: Instant,
    ) -> Result<(), Reply> {
        let (verb, argument) = match resolved {
            Ok(resolved) => resolved,
            Err(error @ CommandError::UnknownVerb { .. }) => {
                // Some clients send empty lines to keep a connection in use during a transfer.
                let counts = !line.verb.is_empty() || !self.is_transferring();
                self.unknown_commands += u32::from(counts);
                self.refuse_unknown(error.reply());
                return Ok(());
            }
            Err(error) => {
                self.unknown_commands = 0;
                return Err(error.reply());
            }
        };
        self.unknown_commands = 0;
        // A correct argument would not help, so this comes before errors in the argument.
        if let Some(text) = self.not_offered(verb) {
            return Err(Reply::new(502, text));
        }
        match Command::parse(verb, argument, self.parameters.encoding) {
            Err(error @ (CommandError::MissingArgument | CommandError::UnexpectedArgument)) => {
                Err(error.reply())
            }
            _ if self.lacks_login(verb, argument) => Err(login_needed()),
            Err(CommandError::Eprt(EprtError::Protocol) | CommandError::EpsvProtocol) => {
                Err(self.foreign_protocol())
            }
            Err(CommandError::Eprt(EprtError::Address { is_ipv6 }))
                if is_ipv6 == self.local.is_ipv4() =>
            {
                Err(self.foreign_protocol())
            }
            Err(error) => Err(error.reply()),
            Ok(command) => self.dispatch(verb, command, prepared, now),
        }
    }

    /// Answers a line that was too long, which counts as an unknown command.
    pub(super) fn answer_long_line(&mut self) {
        // It may have been any command.
        self.selected = None;
        self.parameters.restart = Restart::default();
        self.settle_data(Some(TransferDirection::Download));
        self.unknown_commands += 1;
        let reply = Reply::new(500, "Command too long.");
        if self.must_hold() {
            return self.hold(Held::Reply(reply));
        }
        self.begin_answer();
        self.refuse_unknown(reply);
    }

    /// Answers a vetoed line with `reply`, without processing it.
    pub(super) fn answer_vetoed(&mut self, line: &[u8], reply: Reply, now: Instant) {
        let verb = verb_of(&CommandLine::split(line).resolve());
        self.take_prepared(verb);
        self.settle_data(verb.and_then(transfer_direction));
        self.reply_in_turn(reply, now);
    }

    /// Takes what was prepared for the current command. The command uses it up even if it fails: a
    /// file transferred after a refusal must not begin at the offset meant for another. Only NOOP
    /// may come between any commands, as it just keeps the connection in use.
    fn take_prepared(&mut self, verb: Option<Verb>) -> Prepared {
        let selected = self.selected.take_if(|_| verb != Some(Verb::Noop));
        let restart = if verb.is_some_and(ends_restart) {
            std::mem::take(&mut self.parameters.restart)
        } else {
            Restart::default()
        };
        Prepared { selected, restart }
    }

    /// Refuses an unknown command. A client may try some, but a peer that sends nothing else is no
    /// client, and would occupy a connection for as long as it goes on. A transfer keeps the
    /// connection occupied anyway, and its reply could not follow a 421.
    fn refuse_unknown(&mut self, reply: Reply) {
        if self.unknown_commands < MOST_UNKNOWN || self.is_transferring() {
            return self.reply(reply);
        }
        self.refuse_further_commands(Reply::new(421, "Too many unknown commands."));
    }

    /// Carries out a command, or refuses it.
    fn dispatch(
        &mut self,
        verb: Verb,
        command: Command<'_>,
        prepared: Prepared,
        now: Instant,
    ) -> Result<(), Reply> {
        let Prepared { selected, restart } = prepared;
        match command {
            Command::User(name) => self.user(&name, now)?,
            Command::Pass(password) => self.pass(&password, now)?,
            Command::Acct => self.acct(),
            Command::Quit => self.quit(),
            Command::Auth(mechanism) => self.auth(mechanism)?,
            Command::Pbsz => self.pbsz()?,
            Command::Prot(level) => self.prot(level)?,
            Command::Ccc => self.ccc()?,
            Command::Rein => self.rein(),
            Command::Noop => self.noop(),
            Command::Syst => self.syst(),
            Command::Feat => self.feat(),
            Command::OptsUtf8(on) => self.opts_utf8(on),
            Command::OptsMlst(facts) => self.opts_mlst(facts),
            Command::OptsHash(algorithm) => self.opts_hash(algorithm),
            Command::Host(name) => self.host(&name)?,
            Command::Lang => self.lang(),
            Command::Csid => self.csid(),
            Command::Help(topic) => self.help(topic.as_deref())?,
            Command::Clnt => self.clnt(),
            Command::Pwd => self.pwd(),
            Command::Cwd(name) => self.cwd(&name)?,
            Command::Cdup => self.cdup(),
            Command::Type(transfer_type) => self.set_type(transfer_type),
            Command::Mode => self.mode(),
            Command::Stru => self.stru(),
            Command::Allo => self.allo(),
            Command::Rest(offset) => self.rest(offset)?,
            Command::Rang(range) => self.rang(range),
            Command::Pasv => self.pasv()?,
            Command::Epsv(argument) => self.epsv(argument)?,
            Command::Port(target) => self.port(target)?,
            Command::Eprt(target) => self.eprt(target)?,
            Command::List(argument) => self.list(verb, argument, ListFormat::Long)?,
            Command::Nlst(argument) => self.list(verb, argument, ListFormat::Names)?,
            Command::Mlsd(name) => self.mlsd(name)?,
            Command::Mlst(name) => self.mlst(name.as_deref())?,
            Command::Stat(None) => self.stat(),
            Command::Stat(Some(argument)) => self.stat_path(argument)?,
            Command::Size(name) => self.size(&name)?,
            Command::Mdtm(name) => self.mdtm(&name)?,
            Command::MdtmSet { time, path, whole } => self.mdtm_set(time, &path, &whole)?,
            Command::Mff { change, path } => self.mff(change, &path)?,
            Command::Avbl(name) => self.avbl(name.as_deref())?,
            Command::Hash(name) => self.hash(restart, name.into_owned())?,
            Command::Digest {
                algorithm,
                argument,
            } => self.digest(verb, algorithm, &argument)?,
            Command::Comb { target, parts } => self.comb(&target, &parts)?,
            Command::Cpfr(name) => self.cpfr(&name)?,
            Command::Cpto(name) => self.cpto(selected, &name)?,
            Command::Mfmt { time, path } => self.mfmt(time, &path)?,
            Command::Retr(name) => self.retr(restart, &name)?,
            Command::Stor(name) => self.stor(restart, &name)?,
            Command::Appe(name) => self.appe(restart, &name)?,
            Command::Stou(name) => self.stou(restart, name.as_deref())?,
            Command::Abor => self.abor(),
            Command::Dele(name) => self.dele(&name)?,
            Command::Mkd(name) => self.mkd(&name)?,
            Command::Rmd(name) => self.rmd(&name)?,
            Command::Rnfr(name) => self.rnfr(&name)?,
            Command::Rnto(name) => self.rnto(selected, &name)?,
            Command::SiteHelp(topic) => self.site_help(topic.as_deref())?,
            Command::SiteChmod { mode, path } => self.site_chmod(mode, &path)?,
            Command::SiteUtime { time, utc, path } => self.site_utime(time, utc, &path)?,
            Command::SiteSymlink { target, link } => self.site_symlink(&target, &link)?,
            Command::SiteCopy { from, to } => self.site_copy(&from, &to)?,
            Command::SiteMkdir(name) => self.site_mkdir(&name)?,
            Command::SiteRmdir(name) => self.site_rmdir(&name)?,
        }
        Ok(())
    }

    /// The text of the refusal, if a command of the table is not offered by this server.
    pub(super) fn not_offered(&self, verb: Verb) -> Option<&'static str> {
        match verb {
            Verb::Auth | Verb::Ccc | Verb::Pbsz | Verb::Prot if self.config.tls.is_none() => {
                Some("TLS is not offered.")
            }
            Verb::Host if self.config.host_names.is_empty() => Some("HOST is not offered."),
            _ => None,
        }
    }

    /// Whether a command needs a login and there is none. STAT needs one only with a path. ABOR
    /// needs none for a transfer that outlives its login, or if it took effect ahead of its turn.
    fn lacks_login(&self, verb: Verb, argument: &[u8]) -> bool {
        let needs_login = match verb {
            Verb::Stat => !argument.trim_ascii().is_empty(),
            Verb::Abor => !self.is_transferring() && !self.aborted_ahead,
            verb => verb.info().login_required,
        };
        needs_login && self.username().is_none()
    }
}

/// The refusal of a command that needs a login.
pub(super) fn login_needed() -> Reply {
    Reply::new(530, "Log in with USER and PASS first.")
}

fn verb_of(resolved: &Result<(Verb, &[u8]), CommandError>) -> Option<Verb> {
    resolved.as_ref().ok().map(|(verb, _)| *verb)
}

/// The direction in which a command uses a data connection.
fn transfer_direction(verb: Verb) -> Option<TransferDirection> {
    verb.transfers().map(Transferred::direction)
}

/// Whether a command uses up or replaces what REST or RANG has set: it applies to the next transfer
/// or HASH, and another REST or RANG replaces it, even if refused. It outlives all other commands,
/// as clients send many kinds of them before the transfer.
fn ends_restart(verb: Verb) -> bool {
    verb.transfers().is_some() || matches!(verb, Verb::Hash | Verb::Rest | Verb::Rang)
}

/// Whether a line belongs to an HTTP request: from a browser, or from a web page that makes a
/// browser send commands in a request body. Any method counts, as there are many; so does any
/// header, since a first line that is too long is not seen.
fn is_http(line: &CommandLine<'_>) -> bool {
    let names_protocol = line.argument.windows(6).any(|window| window == b" HTTP/");
    let is_header = line.verb.len() > 1 && line.verb.ends_with(b":");
    (names_protocol || is_header) && Verb::lookup(line.verb).is_none()
}
