//! From a line to the command that answers it.

use std::time::Instant;

use ftpdlib_proto::{ArgumentRule, Command, CommandLine, Reply, Verb, VerbInfo};

use super::Session;
use crate::ListFormat;

impl<P> Session<P> {
    /// Takes one line. Every line is answered, now or when what it asks for is done.
    ///
    /// The order of refusals tells a stranger nothing: unknown verb, argument missing or too much,
    /// not logged in, and only then whatever is wrong with the argument.
    pub(super) fn take_line(&mut self, line: &[u8], now: Instant) {
        let line = CommandLine::split(line);
        if is_http(&line) {
            return self.disconnect(Reply::new(421, "This is an FTP server."));
        }
        let resolved = line.resolve().and_then(|(verb, argument)| {
            let command = Command::parse(verb, argument, self.parameters.encoding);
            if self.may_not_come_yet(verb.info(), argument) {
                Ok(None)
            } else {
                command.map(|command| Some((verb, command)))
            }
        });
        match resolved {
            Ok(Some((verb, command))) => self.dispatch(verb, command, now),
            Ok(None) => {
                self.rename_from = None;
                self.reply(Reply::new(530, "Log in with USER and PASS first."));
            }
            Err(error) => {
                self.rename_from = None;
                self.reply(error.reply());
            }
        }
    }

    fn dispatch(&mut self, verb: Verb, command: Command<'_>, now: Instant) {
        let perm = verb.info().perm;
        let rename_from = self.rename_from.take();
        match command {
            Command::User(name) => self.user(&name),
            Command::Pass(password) => self.pass(&password, now),
            Command::Acct => self.acct(),
            Command::Quit => self.quit(),
            Command::Rein => self.rein(),
            Command::Noop => self.noop(),
            Command::Syst => self.syst(),
            Command::Feat => self.feat(),
            Command::OptsUtf8(on) => self.opts_utf8(on),
            Command::OptsMlst(facts) => self.opts_mlst(facts),
            Command::Help(topic) => self.help(topic.as_deref()),
            Command::Clnt => self.clnt(),
            Command::Pwd => self.pwd(),
            Command::Cwd(name) => self.cwd(perm, &name),
            Command::Cdup => self.cdup(perm),
            Command::Type(transfer_type) => self.set_type(transfer_type),
            Command::Mode => self.mode(),
            Command::Stru => self.stru(),
            Command::Allo => self.allo(),
            Command::Rest(offset) => self.rest(offset),
            Command::Pasv => self.pasv(),
            Command::Epsv(argument) => self.epsv(argument),
            Command::Port(target) => self.port(target),
            Command::Eprt(target) => self.eprt(target),
            Command::List(argument) => self.list(verb, argument, ListFormat::Long),
            Command::Nlst(argument) => self.list(verb, argument, ListFormat::Names),
            Command::Mlsd(name) => self.mlsd(name),
            Command::Mlst(name) => self.mlst(perm, name.as_deref()),
            Command::Stat(None) => self.stat(),
            Command::Stat(Some(argument)) => self.stat_path(argument),
            Command::Size(name) => self.size(perm, &name),
            Command::Mdtm(name) => self.mdtm(perm, &name),
            Command::Mfmt { time, path } => self.mfmt(perm, time, &path),
            Command::Retr(name) => self.retr(&name),
            Command::Stor(name) => self.stor(&name),
            Command::Appe(name) => self.appe(&name),
            Command::Stou(name) => self.stou(name.as_deref()),
            Command::Abor => self.abor(),
            Command::Dele(name) => self.dele(perm, &name),
            Command::Mkd(name) => self.mkd(perm, &name),
            Command::Rmd(name) => self.rmd(perm, &name),
            Command::Rnfr(name) => self.rnfr(perm, &name),
            Command::Rnto(name) => self.rnto(perm, rename_from, &name),
            Command::SiteHelp(topic) => self.site_help(topic.as_deref()),
            Command::SiteChmod { mode, path } => self.site_chmod(perm, mode, &path),
            _ => self.reply(Reply::new(502, "Command not implemented.")),
        }
    }

    /// Whether a command well-formed as to its argument needs a login that is not there. STAT
    /// needs one only for a path.
    fn may_not_come_yet(&self, info: &VerbInfo, argument: &[u8]) -> bool {
        let obeys_rule = match info.argument {
            ArgumentRule::Required => !argument.is_empty(),
            ArgumentRule::Optional => true,
            ArgumentRule::Refused => argument.is_empty(),
        };
        let needs_login = info.login_required || (info.verb == Verb::Stat && !argument.is_empty());
        obeys_rule && needs_login && self.username().is_none()
    }
}

/// Whether a line is the first of an HTTP request: a browser, or a web page that uses one to send
/// commands in its body.
fn is_http(line: &CommandLine<'_>) -> bool {
    const METHODS: [&[u8]; 9] = [
        b"CONNECT", b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PUT", b"TRACE",
    ];
    METHODS.contains(&line.verb) && line.argument.windows(6).any(|window| window == b" HTTP/")
}
