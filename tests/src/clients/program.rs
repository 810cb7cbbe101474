//! The program under test.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use super::operation::{Family, PASSWORD, Security, USER};
use crate::models;

/// How long the program may take until it tells where it listens.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running server; dropping it ends it.
pub(super) struct Program {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Program {
    /// Starts the program on a free port of `family`'s loopback address, sharing `root` with
    /// [`USER`] for reading and writing, with what `security` needs required,
    /// and waits until it accepts connections.
    ///
    /// `configuration` is the content of its configuration file, which it has only where there is
    /// something to say in it.
    pub(super) fn start(
        family: Family,
        security: Security,
        root: &Path,
        configuration: &str,
    ) -> Self {
        let ip = family.loopback();
        let mut command = Command::new(executable());
        if !configuration.is_empty() {
            let file = root.with_file_name("ftpdlib.toml");
            fs::write(&file, configuration).expect("a new file");
            command.arg("--config").arg(file);
        }
        let mut child = command
            .args([
                "--interface",
                &ip.to_string(),
                "--port",
                "0",
                "--write",
                "--directory",
            ])
            .arg(root)
            .args(["--username", USER, "--password", PASSWORD])
            .args(tls_options(security))
            .args(models::options())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let errors = BufReader::new(child.stderr.take().expect("standard error is piped"));
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, ports) = mpsc::channel();
        let lines = Arc::clone(&log);
        thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let port = started_port(&line);
                let mut log = lines.lock().unwrap_or_else(PoisonError::into_inner);
                log.push_str(&line);
                log.push('\n');
                if let Some(port) = port {
                    let _ = sender.send(port);
                }
            }
        });
        match ports.recv_timeout(START_LIMIT) {
            Ok(port) => Self {
                child,
                address: SocketAddr::new(ip, port),
                log,
            },
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                let log = log.lock().unwrap_or_else(PoisonError::into_inner);
                panic!("the program told no port; it said:\n{log}");
            }
        }
    }

    /// Where the server listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The last `count` lines of its log.
    pub(super) fn log_tail(&self, count: usize) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is not under TLS is refused, so that a client cannot leave it out unnoticed.
fn tls_options(security: Security) -> &'static [&'static str] {
    match security {
        Security::Clear => &[],
        Security::Explicit | Security::ExplicitTls12 => {
            &["--tls-control-required", "--tls-data-required"]
        }
        Security::Implicit => &["--tls-implicit", "--tls-data-required"],
    }
}

/// The port in a line `>>> starting FTP server on ADDRESS:PORT, pid=PID <<<`.
fn started_port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once(">>> starting FTP server on ")?;
    let (address, _) = rest.split_once(", pid=")?;
    let (_, port) = address.rsplit_once(':')?;
    port.parse().ok()
}

/// The program's file, built first if need be.
///
/// # Panics
///
/// It does not build.
pub fn executable() -> &'static Path {
    // A failure is remembered too, or every test would build in vain.
    static EXECUTABLE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = EXECUTABLE
        .get_or_init(|| env::var_os("FTPDLIB_BIN").map_or_else(build, |file| Ok(file.into())));
    match built {
        Ok(file) => file,
        Err(error) => panic!("the program does not build\n{error}"),
    }
}

/// Builds the program with the profile and into the directory that this test was built with.
fn build() -> Result<PathBuf, String> {
    let test = env::current_exe().map_err(|error| error.to_string())?;
    // TARGET/PROFILE/deps/TEST
    let mut above = test.ancestors().skip(2);
    let (Some(directory), Some(target)) = (above.next(), above.next()) else {
        return Err(format!("{} is not in a target directory", test.display()));
    };
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--quiet",
            "--package",
            "ftpdlib-cli",
            "--profile",
            profile,
        ])
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(directory.join(format!("ftpdlib{}", env::consts::EXE_SUFFIX)))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<u16>) {
        assert_eq!(started_port(line), expected, "{line}");
    }

    #[test]
    fn the_start_line_tells_the_port() {
        check(
            ">>> starting FTP server on 127.0.0.1:2121, pid=7 <<<",
            Some(2121),
        );
        check(
            "[INFO] >>> starting FTP server on [::1]:40001, pid=7 <<<",
            Some(40001),
        );
        check(
            ">>> starting FTP server on ::1:40001, pid=7 <<<",
            Some(40001),
        );
        check("concurrency model: async", None);
        check(">>> starting FTP server on nowhere, pid=7 <<<", None);
    }
}
