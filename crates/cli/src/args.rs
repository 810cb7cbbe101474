//! The command line.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Parser, ValueHint};
use ftpdlib::handlers::MasqueradeAddress;
use ftpdlib::proto::NameEncoding;

use crate::config::Concurrency;
use crate::error::ConfigError;
use crate::value::{self, Ports};

/// The options, as given.
#[derive(Debug, Parser)]
#[command(
    name = "ftpdlib",
    version,
    about = "\
Shares a directory over FTP.
With no option: anonymous, read-only, the current directory, port 2121 of every IPv4 interface.",
    disable_help_flag = true,
    max_term_width = 100,
    allow_negative_numbers = true,
    after_help = "\
Examples:
  ftpdlib -d /srv/pub                 anyone may read /srv/pub
  ftpdlib -u alice -P sesame -w       alice may read and write here
  ftpdlib -c /etc/ftpdlib.toml        all of it in a file"
)]
pub(crate) struct Args {
    /// Address to listen on; :: listens on both families [default: every IPv4 interface]
    #[arg(
        short,
        long,
        value_name = "ADDRESS",
        value_parser = value::address,
        help_heading = "Listening"
    )]
    pub(crate) interface: Option<IpAddr>,

    /// Port to listen on; 0 lets the kernel choose [default: 2121]
    #[arg(short, long, value_parser = value::port, help_heading = "Listening")]
    pub(crate) port: Option<u16>,

    /// Most connections, control and data together; 0 = no limit [default: 512]
    #[arg(long, value_name = "N", value_parser = value::count, help_heading = "Listening")]
    pub(crate) max_cons: Option<u32>,

    /// Most connections of one address; 0 = no limit [default: 0]
    #[arg(long, value_name = "N", value_parser = value::count, help_heading = "Listening")]
    pub(crate) max_cons_per_ip: Option<u32>,

    /// How sessions run [default: async]
    #[arg(long, value_name = "MODEL", help_heading = "Listening")]
    pub(crate) concurrency: Option<Concurrency>,

    /// Worker processes under pre-fork, at most 256; 0 = one per usable CPU [default: 0]
    #[arg(long, value_name = "N", value_parser = value::workers, help_heading = "Listening")]
    pub(crate) workers: Option<u32>,

    /// Give up root for this user, by name or number, once listening
    #[arg(long, value_name = "NAME", value_parser = value::account, help_heading = "Listening")]
    pub(crate) user: Option<String>,

    /// Group to give up root for [default: that user's own]
    #[arg(long, value_name = "NAME", value_parser = value::account, help_heading = "Listening")]
    pub(crate) group: Option<String>,

    /// Directory to share [default: the current directory]
    #[arg(
        short,
        long,
        value_name = "PATH",
        value_hint = ValueHint::DirPath,
        help_heading = "Access"
    )]
    pub(crate) directory: Option<PathBuf>,

    /// Give the user write permission (elradfmwMT instead of elr)
    #[arg(short, long, help_heading = "Access")]
    pub(crate) write: bool,

    /// User to log in with, instead of anonymous; needs a password
    #[arg(short, long, value_name = "NAME", help_heading = "Access")]
    pub(crate) username: Option<String>,

    /// That user's password; others can see it in the process list
    // If it were read as an option, a password that begins with a hyphen would be shown in an
    // error.
    #[arg(
        short = 'P',
        long,
        value_name = "WORD",
        allow_hyphen_values = true,
        help_heading = "Access"
    )]
    pub(crate) password: Option<String>,

    /// File whose first line is the password; or set FTPDLIB_PASSWORD
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with = "password",
        value_hint = ValueHint::FilePath,
        help_heading = "Access"
    )]
    pub(crate) password_file: Option<PathBuf>,

    /// Failed logins before the client is disconnected [default: 3]
    #[arg(long, value_name = "N", value_parser = value::count_from_one, help_heading = "Access")]
    pub(crate) max_login_attempts: Option<u32>,

    /// Address or host name told to clients in PASV replies, when behind NAT
    #[arg(
        short,
        long,
        value_name = "ADDRESS",
        value_parser = value::masquerade_address,
        help_heading = "Data connections"
    )]
    pub(crate) nat_address: Option<MasqueradeAddress>,

    /// Ports for passive connections, both ends included [default: the kernel's choice]
    #[arg(
        short,
        long,
        value_name = "FROM-TO",
        value_parser = value::ports,
        help_heading = "Data connections"
    )]
    pub(crate) range: Option<Ports>,

    /// Permit data connections to other hosts than the client (FXP)
    #[arg(long, help_heading = "Data connections")]
    pub(crate) permit_foreign_addresses: bool,

    /// Permit active connections to ports below 1024
    #[arg(long, help_heading = "Data connections")]
    pub(crate) permit_privileged_ports: bool,

    /// Copy through user space instead of sendfile(2) and splice(2)
    #[arg(long, help_heading = "Data connections")]
    pub(crate) disable_sendfile: bool,

    /// Offer explicit FTPS; without a certificate, with a self-signed one made in memory
    #[arg(long, help_heading = "TLS")]
    pub(crate) tls: bool,

    /// Certificate chain, PEM; may hold the private key too
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = "TLS")]
    pub(crate) certfile: Option<PathBuf>,

    /// Private key, PEM
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = "TLS")]
    pub(crate) keyfile: Option<PathBuf>,

    /// Refuse logins in the clear
    #[arg(long, help_heading = "TLS")]
    pub(crate) tls_control_required: bool,

    /// Refuse data connections in the clear
    #[arg(long, help_heading = "TLS")]
    pub(crate) tls_data_required: bool,

    /// TLS from the first byte (port 990 style)
    #[arg(long, help_heading = "TLS")]
    pub(crate) tls_implicit: bool,

    /// Idle timeout of control and data connections; 0 = never [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = value::seconds, help_heading = "Sessions")]
    pub(crate) timeout: Option<Duration>,

    /// Greeting [default: "ftpdlib VERSION ready."]
    #[arg(long, value_name = "TEXT", value_parser = value::banner, help_heading = "Sessions")]
    pub(crate) banner: Option<String>,

    /// Encoding of path names on the control connection [default: utf-8]
    #[arg(long, value_name = "NAME", value_parser = value::encoding, help_heading = "Sessions")]
    pub(crate) encoding: Option<NameEncoding>,

    /// Show local times instead of GMT
    #[arg(long, help_heading = "Sessions")]
    pub(crate) use_localtime: bool,

    /// Append every transfer to this file, in wu-ftpd's format
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = "Logs")]
    pub(crate) xferlog: Option<PathBuf>,

    /// Append every transfer to this file, as a line of JSON
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = "Logs")]
    pub(crate) json_log: Option<PathBuf>,

    /// Configuration file; options given beside it win over it
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// Check options and configuration file, start nothing
    #[arg(long)]
    pub(crate) check_config: bool,

    /// Log every command and reply (never a password)
    #[arg(short = 'D', long)]
    pub(crate) debug: bool,

    /// Print this help
    #[arg(short, long, action = ArgAction::HelpShort)]
    help: Option<bool>,
}

/// Why a command line does not start a server.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It asked for help or the version; this is the text for standard output.
    Answer(clap::Error),
    /// It is wrong.
    Wrong(ConfigError),
}

impl Args {
    /// Reads a command line, the program's name first.
    ///
    /// # Errors
    ///
    /// [`Stop`] if there is nothing to start.
    pub(crate) fn read<I>(line: I) -> Result<Self, Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString> + Clone,
    {
        let line: Vec<OsString> = line.into_iter().map(Into::into).collect();
        Self::try_parse_from(&line).map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Answer(error),
            ErrorKind::InvalidUtf8 => Stop::Wrong(no_text(&line)),
            _ => Stop::Wrong(one_line(&error)),
        })
    }
}

/// Returns the error for a command line in which an option's value is not valid text, since clap
/// does not say which option. Does not show the value, which may be a password.
fn no_text(line: &[OsString]) -> ConfigError {
    let is_culprit = |index: usize| {
        // Make all other arguments text, so that an error is the fault of this one.
        let mend = |(other, argument): (usize, &OsString)| match other == index {
            true => argument.clone(),
            false => argument.to_string_lossy().into_owned().into(),
        };
        Args::try_parse_from(line.iter().enumerate().map(mend))
            .is_err_and(|error| error.kind() == ErrorKind::InvalidUtf8)
    };
    let index = (1..line.len()).find(|&index| is_culprit(index));
    let lossy = |argument: &OsString| argument.to_string_lossy().into_owned();
    let before: Vec<_> = line[..index.unwrap_or(1)].iter().map(lossy).collect();
    let found = index.map(|index| lossy(&line[index])).unwrap_or_default();
    // If the argument before it lacks a value, this is the value, whatever it begins with.
    let is_value = Args::try_parse_from(&before).is_err_and(|error| lacks_value(&error));
    let option = match (found.split_once('='), before.last()) {
        (_, Some(option)) if is_value => option,
        (Some((option, _)), _) if option.starts_with("--") => option,
        // A short option, with its value right behind it.
        _ => &found.chars().take(2).collect::<String>(),
    };
    ConfigError::option(option, "found bytes that are not UTF-8, expected text")
}

/// Whether the line ends with an option that lacks its value.
fn lacks_value(error: &clap::Error) -> bool {
    let found = error.get(ContextKind::InvalidValue);
    error.kind() == ErrorKind::InvalidValue
        && matches!(found, Some(ContextValue::String(found)) if found.is_empty())
}

/// Turns clap's error, which has several lines, into one line that says what was found and what is
/// accepted.
fn one_line(error: &clap::Error) -> ConfigError {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    // `--port <PORT>`; leave out the placeholder.
    let option = |kind| text(kind).map(|name| name.split(' ').next().unwrap_or(name));
    let (option, other) = (
        option(ContextKind::InvalidArg),
        option(ContextKind::PriorArg),
    );
    let found = text(ContextKind::InvalidValue);
    let accepted = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) => Some(values.join(", ")),
        _ => None,
    };
    match (error.kind(), option, found.or(other)) {
        (ErrorKind::InvalidValue, Some(option), Some("")) => {
            ConfigError::option(option, "found no value, expected one")
        }
        (ErrorKind::InvalidValue, Some(option), Some(found)) => {
            let one_of = format!("one of {}", accepted.unwrap_or_default());
            ConfigError::option(option, value::expected(found, one_of))
        }
        (ErrorKind::ValueValidation, Some(option), Some(_)) => {
            let problem = std::error::Error::source(error).map(ToString::to_string);
            ConfigError::option(option, problem.unwrap_or_default())
        }
        (ErrorKind::UnknownArgument, Some(option), _) => {
            let similar = text(ContextKind::SuggestedArg).unwrap_or("one that --help lists");
            ConfigError::option(option, format!("no such option, expected {similar}"))
        }
        (ErrorKind::ArgumentConflict, Some(option), Some(other)) => {
            let problem = match option == other {
                true => "found more than once, expected one".into(),
                false => format!("found beside {other}, expected one of them"),
            };
            ConfigError::option(option, problem)
        }
        _ => ConfigError::usage(first_paragraph(&error.to_string())),
    }
}

/// Returns clap's message without its hints, joined into one line.
fn first_paragraph(rendered: &str) -> String {
    let lines = rendered.lines().map(str::trim);
    let paragraph: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let joined = paragraph.join(" ");
    joined.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use clap::CommandFactory;

    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        match Args::read(line.split(' ')) {
            Err(Stop::Wrong(error)) => assert_eq!(error.to_string(), expected, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn wrong_options_are_told_in_one_line() {
        check(
            "ftpdlib -p 70000",
            "option --port: found \"70000\", expected a port from 0 to 65535",
        );
        check(
            "ftpdlib --interface localhost",
            "option --interface: found \"localhost\", expected an IP address such as 192.0.2.1 \
             or ::",
        );
        check(
            "ftpdlib -r 5-4",
            "option --range: found \"5-4\", expected FROM-TO with ports from 1 to 65535, \
             such as 60000-65535",
        );
        check(
            "ftpdlib --max-cons 4294967296",
            "option --max-cons: found \"4294967296\", expected a whole number from 0 to 4294967295",
        );
        check(
            "ftpdlib --workers -1",
            "option --workers: found \"-1\", expected a whole number from 0 to 256",
        );
        check(
            "ftpdlib --workers 257",
            "option --workers: found \"257\", expected a whole number from 0 to 256",
        );
        check(
            "ftpdlib --timeout -1",
            "option --timeout: found \"-1\", expected a number of seconds from 0 to 1000000000",
        );
        check(
            "ftpdlib --concurrency fork",
            "option --concurrency: found \"fork\", expected one of async, pre-fork, \
             multi-thread, multi-proc",
        );
        check(
            "ftpdlib --port",
            "option --port: found no value, expected one",
        );
        check(
            "ftpdlib --wirte",
            "option --wirte: no such option, expected --write",
        );
        check(
            "ftpdlib --xyz",
            "option --xyz: no such option, expected one that --help lists",
        );
        check(
            "ftpdlib /srv",
            "option /srv: no such option, expected one that --help lists",
        );
        check(
            "ftpdlib -P a --password-file b",
            "option --password: found beside --password-file, expected one of them",
        );
        check(
            "ftpdlib -p 1 -p 2",
            "option --port: found more than once, expected one",
        );
    }

    #[track_caller]
    fn check_bytes(line: &[&[u8]], option: &str) {
        let line = line.iter().map(|argument| OsStr::from_bytes(argument));
        let expected = format!("option {option}: found bytes that are not UTF-8, expected text");
        match Args::read(std::iter::once(OsStr::new("ftpdlib")).chain(line)) {
            Err(Stop::Wrong(error)) => assert_eq!(error.to_string(), expected),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_option_that_was_no_text_was_not_named() {
        check_bytes(&[b"--banner", b"\xffx"], "--banner");
        check_bytes(&[b"--banner=\xff"], "--banner");
        check_bytes(&[b"-u\xff"], "-u");
        check_bytes(&[b"-d", b"\xff", b"-u", b"\xff"], "-u");
        assert!(Args::read([OsStr::new("ftpdlib"), OsStr::from_bytes(b"-d\xff")]).is_ok());
    }

    #[test]
    fn a_password_that_was_no_text_was_shown() {
        check_bytes(&[b"-P", b"geh\xfcim"], "-P");
        check_bytes(&[b"-Pgeh\xfcim"], "-P");
        check_bytes(&[b"-P=geh\xfcim"], "-P");
        check_bytes(&[b"--password", b"geh\xfcim"], "--password");
        check_bytes(&[b"--password=geh\xfcim"], "--password");
        check_bytes(&[b"-wP", b"geh\xfcim"], "-wP");
        check_bytes(&[b"-P", b"-\xfcgeheim"], "-P");
        check_bytes(&[b"-P", b"--geh=\xfcim"], "-P");
        check_bytes(&[b"--password", b"-geh\xfcim"], "--password");
    }

    #[test]
    fn a_password_that_begins_with_hyphens_was_shown_as_an_unknown_option() {
        for password in [
            "--geheim",
            "-geheim",
            "--",
            "-",
            "-w",
            "--write",
            "--geh=eim",
        ] {
            for line in [
                format!("ftpdlib -u alice -P {password} -w"),
                format!("ftpdlib -P{password} -w -u alice"),
                format!("ftpdlib -w -u alice --password {password}"),
                format!("ftpdlib --password={password} -wu alice"),
            ] {
                let args = Args::read(line.split(' ')).unwrap();
                assert_eq!(args.password.as_deref(), Some(password), "{line}");
                assert_eq!(args.username.as_deref(), Some("alice"), "{line}");
                assert!(args.write, "{line}");
            }
        }
        let found_none = "found no value, expected one";
        check(
            "ftpdlib -u alice -P",
            &format!("option --password: {found_none}"),
        );
        // If the option were taken for the name, the password would be left over and shown.
        check(
            "ftpdlib -u -P geheim",
            &format!("option --username: {found_none}"),
        );
        check(
            "ftpdlib -u --password geheim",
            &format!("option --username: {found_none}"),
        );
        check(
            "ftpdlib -P -geheim -P --geheim",
            "option --password: found more than once, expected one",
        );
    }

    #[test]
    fn help_and_version_are_answers() {
        for line in [
            "ftpdlib --help",
            "ftpdlib -h",
            "ftpdlib -V",
            "ftpdlib --version",
        ] {
            assert!(
                matches!(Args::read(line.split(' ')), Err(Stop::Answer(_))),
                "{line}"
            );
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }
}
