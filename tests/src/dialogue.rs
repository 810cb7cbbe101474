//! Dialogues: what a client sends and what it must get, as text.
//!
//! A dialogue file is read line by line; each line is one step. The same file runs against the
//! protocol interpreter alone, with a clock moved by hand, and against a real server on loopback.
//!
//! | line | meaning |
//! | --- | --- |
//! | `C: USER alice` | the client sends this line and CRLF, without waiting for anything |
//! | `@line 5000` | the client sends a line of so many letters |
//! | `@unknown 49` | the client sends a command that is none, and gets 500, so many times |
//! | `@login` | the greeting comes, `alice` logs in |
//! | `S: 331 Username` | the next line from the server begins with this text |
//! | `S: ...` | skip lines of the server up to the one that the next `S:` describes |
//! | `@file /a.txt "hello"` | there is this file before the dialogue begins |
//! | `@file /big.bin 1000000` | the same, with so many zero bytes |
//! | `@dir /pub` | there is this directory before the dialogue begins |
//! | `@set timeout 60` | a setting of the server, by its name in the configuration file |
//! | `@ipv6` | the control connection is over IPv6 |
//! | `@data connect` | the client connects to the port told last |
//! | `@data listen` | the client opens a port; `$PORT` and `$EPRT` in `C:` lines stand for it |
//! | `@data stranger` | somebody else connects to the port told last, and is turned away |
//! | `@data read "hello"` | the client reads exactly this, up to the end of the data connection |
//! | `@data contains "a.txt"` | the same, but it need only hold this |
//! | `@data write "hello"` | the client writes this |
//! | `@data close` | the client closes the data connection |
//! | `@data closed` | the server has closed the data connection, after whatever it sent |
//! | `@hangup` | the client closes the control connection |
//! | `@closed` | the server closes the control connection, with no line before that |
//! | `@quiet` | the server has sent nothing more |
//! | `@content /a.txt "hello"` | the file has this content now |
//! | `@absent /a.txt` | nothing of this name is there now |
//! | `@advance 30` | so many seconds pass |
//! | `@jobs hold`, `@jobs go` | authorizer and filesystem take long, until told to go on |
//! | `@stall` | the transfer in progress has made no progress for too long |
//! | `@drain` | the server is told to stop |
//! | `@kick Go away.` | the session is told to end, with this text |
//! | `# …` | a comment |
//!
//! The last five of the directives need a driver that the test rules, so a dialogue with one of
//! them runs against the protocol interpreter only: [`Dialogue::needs_control`]. Settings, `@ipv6`,
//! files and directories come before the first line of either side. There are two users, `alice`
//! with every permission and `bob` with `elr`; the password of both is `secret`. Anything in a `C:`
//! line, an `S:` line or quotes may be written as `\xHH`, `\r`, `\n`, `\"` or `\\`.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// One dialogue.
#[derive(Clone, Debug)]
pub struct Dialogue {
    /// The steps in order, with the number of the line each stands in.
    pub steps: Vec<(usize, Step)>,
}

/// One line of a dialogue.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    missing_docs,
    reason = "the table in the module's documentation says it"
)]
pub enum Step {
    Client(Vec<u8>),
    Server(Vec<u8>),
    Skip,
    File { path: String, content: Vec<u8> },
    Directory(String),
    Set(Setting),
    Ipv6,
    Data(DataStep),
    HangUp,
    Closed,
    Quiet,
    Content { path: String, content: Vec<u8> },
    Absent(String),
    Advance(Duration),
    HoldJobs,
    ReleaseJobs,
    Stall,
    Drain,
    Kick(String),
}

/// What the client does on the data connection.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    missing_docs,
    reason = "the table in the module's documentation says it"
)]
pub enum DataStep {
    Connect,
    Listen,
    Stranger,
    Read(Vec<u8>),
    Contains(Vec<u8>),
    Write(Vec<u8>),
    Close,
    Closed,
}

/// A setting of the server: its name in the configuration file, and its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setting {
    /// Name.
    pub name: String,
    /// Value, not interpreted.
    pub value: String,
}

/// A line that is no step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DialogueError {
    /// Number of the line, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

impl fmt::Display for DialogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: no such step: {}", self.line, self.text)
    }
}

impl std::error::Error for DialogueError {}

impl Dialogue {
    /// Reads a dialogue.
    ///
    /// # Errors
    ///
    /// [`DialogueError`] for the first line that is neither a step, a comment nor empty.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ftpdlib_tests::dialogue::{Dialogue, Step};
    /// let dialogue = Dialogue::parse("# Greeting\nS: 220\nC: NOOP\nS: 200")?;
    /// assert_eq!(dialogue.steps[1], (3, Step::Client(b"NOOP".to_vec())));
    /// # Ok::<(), ftpdlib_tests::dialogue::DialogueError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, DialogueError> {
        let is_step = |(_, line): &(usize, &str)| !line.is_empty() && !line.starts_with('#');
        let lines = text.lines().enumerate().filter(is_step);
        let mut steps = Vec::new();
        for (index, line) in lines {
            let number = index + 1;
            if line == "@login" {
                steps.extend(login().map(|step| (number, step)));
                continue;
            }
            if let Some(Ok(count)) = line.strip_prefix("@unknown ").map(str::parse) {
                steps.extend(unknown_commands(count).map(|step| (number, step)));
                continue;
            }
            let unknown = || DialogueError {
                line: number,
                text: line.to_owned(),
            };
            steps.push((number, parse_step(line).ok_or_else(unknown)?));
        }
        Ok(Self { steps })
    }

    /// Whether a step needs the clock, the jobs or the operator in the hand of the test.
    pub fn needs_control(&self) -> bool {
        self.steps.iter().any(|(_, step)| {
            matches!(
                step,
                Step::Advance(_)
                    | Step::HoldJobs
                    | Step::ReleaseJobs
                    | Step::Stall
                    | Step::Drain
                    | Step::Kick(_)
            )
        })
    }
}

/// The passive port that a line from the server tells, if it tells one.
///
/// # Examples
///
/// ```
/// # use ftpdlib_tests::dialogue::passive_port;
/// assert_eq!(passive_port(b"227 Entering Passive Mode (127,0,0,1,4,1)."), Some(1025));
/// assert_eq!(passive_port(b"229 Entering Extended Passive Mode (|||1025|)"), Some(1025));
/// assert_eq!(passive_port(b"200 1025 1026"), None);
/// ```
pub fn passive_port(line: &[u8]) -> Option<u16> {
    let numbers: Vec<u16> = line
        .split(|byte| !byte.is_ascii_digit())
        .filter_map(|number| std::str::from_utf8(number).ok()?.parse().ok())
        .collect();
    match numbers[..] {
        [227, .., high, low] => Some(high * 256 + low),
        [229, port] => Some(port),
        _ => None,
    }
}

/// Puts the address the client listens on into a line of the client, for `$PORT` and `$EPRT`;
/// `None` if it names one and the client does not listen.
pub fn fill_in(line: &[u8], client: Option<SocketAddr>) -> Option<Vec<u8>> {
    if !line.contains(&b'$') {
        return Some(line.to_vec());
    }
    let (ip, port) = client.map(|address| (address.ip(), address.port()))?;
    let family = if ip.is_ipv4() { 1 } else { 2 };
    let [high, low] = port.to_be_bytes();
    let host_port = format!("{},{high},{low}", ip.to_string().replace('.', ","));
    let line = String::from_utf8_lossy(line)
        .replace("$PORT", &host_port)
        .replace("$EPRT", &format!("|{family}|{ip}|{port}|"));
    Some(line.into_bytes())
}

/// What `@login` stands for.
fn login() -> [Step; 5] {
    let server = |code: &str| Step::Server(code.into());
    let client = |line: &str| Step::Client(line.into());
    [
        server("220 "),
        client("USER alice"),
        server("331 "),
        client("PASS secret"),
        server("230 "),
    ]
}

/// What `@unknown` stands for.
fn unknown_commands(count: usize) -> impl Iterator<Item = Step> {
    let pair = [
        Step::Client(b"NONE".to_vec()),
        Step::Server(b"500 ".to_vec()),
    ];
    std::iter::repeat_n(pair, count).flatten()
}

fn parse_step(line: &str) -> Option<Step> {
    if let Some(text) = line.strip_prefix("C:") {
        return unescape(text.strip_prefix(' ').unwrap_or(text)).map(Step::Client);
    }
    if let Some(text) = line.strip_prefix("S: ") {
        return match text {
            "..." => Some(Step::Skip),
            text => unescape(text).map(Step::Server),
        };
    }
    let (directive, rest) = match line.split_once(' ') {
        Some((directive, rest)) => (directive, rest),
        None => (line, ""),
    };
    Some(match (directive, rest) {
        ("@file", rest) => {
            let (path, content) = parse_file(rest)?;
            Step::File { path, content }
        }
        ("@content", rest) => {
            let (path, content) = parse_file(rest)?;
            Step::Content { path, content }
        }
        ("@dir", path) => Step::Directory(path.to_owned()),
        ("@absent", path) => Step::Absent(path.to_owned()),
        ("@set", rest) => {
            let (name, value) = rest.split_once(' ')?;
            Step::Set(Setting {
                name: name.to_owned(),
                value: value.to_owned(),
            })
        }
        ("@line", length) => Step::Client(vec![b'A'; length.parse().ok()?]),
        ("@data", rest) => Step::Data(parse_data_step(rest)?),
        ("@advance", seconds) => Step::Advance(Duration::from_secs(seconds.parse().ok()?)),
        ("@jobs", "hold") => Step::HoldJobs,
        ("@jobs", "go") => Step::ReleaseJobs,
        ("@kick", text) => Step::Kick(text.to_owned()),
        ("@ipv6", "") => Step::Ipv6,
        ("@hangup", "") => Step::HangUp,
        ("@closed", "") => Step::Closed,
        ("@quiet", "") => Step::Quiet,
        ("@stall", "") => Step::Stall,
        ("@drain", "") => Step::Drain,
        _ => return None,
    })
}

fn parse_data_step(text: &str) -> Option<DataStep> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    Some(match word {
        "connect" => DataStep::Connect,
        "listen" => DataStep::Listen,
        "stranger" => DataStep::Stranger,
        "read" => DataStep::Read(unquote(rest)?),
        "contains" => DataStep::Contains(unquote(rest)?),
        "write" => DataStep::Write(unquote(rest)?),
        "close" => DataStep::Close,
        "closed" => DataStep::Closed,
        _ => return None,
    })
}

fn parse_file(text: &str) -> Option<(String, Vec<u8>)> {
    if let Some((path, content)) = text.split_once(" \"") {
        return Some((path.to_owned(), unescape(content.strip_suffix('"')?)?));
    }
    let (path, size) = text.rsplit_once(' ')?;
    Some((path.to_owned(), vec![0; size.parse().ok()?]))
}

fn unquote(text: &str) -> Option<Vec<u8>> {
    unescape(text.strip_prefix('"')?.strip_suffix('"')?)
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let kind = escaped.chars().next()?;
        rest = &escaped[kind.len_utf8()..];
        match kind {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            '\\' | '"' => bytes.push(kind as u8),
            'x' => {
                bytes.push(u8::from_str_radix(rest.get(..2)?, 16).ok()?);
                rest = &rest[2..];
            }
            _ => return None,
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Step) {
        let dialogue = Dialogue::parse(line).unwrap();
        assert_eq!(dialogue.steps, [(1, expected)]);
    }

    #[test]
    fn lines_become_steps() {
        check("C: CWD  a ", Step::Client(b"CWD  a ".to_vec()));
        check("C:", Step::Client(Vec::new()));
        check("S:  UTF8", Step::Server(b" UTF8".to_vec()));
        check("S: ...", Step::Skip);
        check(r"C: \xff\\", Step::Client(b"\xff\\".to_vec()));
        check(
            r#"@data read "a\r\n""#,
            Step::Data(DataStep::Read(b"a\r\n".to_vec())),
        );
        check("@advance 30", Step::Advance(Duration::from_secs(30)));
        check(
            r#"@file /a b "\"""#,
            Step::File {
                path: "/a b".to_owned(),
                content: b"\"".to_vec(),
            },
        );
    }

    #[test]
    fn what_is_no_step_is_told_with_its_line() {
        for text in ["@fly", "X: a", r"C: \q", "@data read a", r"S: \x1"] {
            let error = Dialogue::parse(&format!("# one\n\n{text}")).unwrap_err();
            assert_eq!((error.line, error.text.as_str()), (3, text));
        }
    }

    #[test]
    fn comments_and_empty_lines_are_no_steps() {
        assert!(Dialogue::parse("# C: NOOP\n\n").unwrap().steps.is_empty());
    }
}
