//! A contestant in a process of its own.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, process, thread};

/// The process of one, as its parent sees it. Ends when it is dropped.
pub(crate) struct Server {
    child: Child,
    addr: SocketAddr,
    /// How many descriptors it has without clients.
    idle: usize,
}

impl Server {
    /// Starts this program as the server of `contestant`, on processor `cpu`, by the
    /// command `wrap` if there is one.
    pub(crate) fn start(contestant: &str, wrap: &str, cpu: usize) -> io::Result<Self> {
        let program = env::current_exe()?;
        let mut words = wrap.split_whitespace();
        let mut command = match words.next() {
            Some(wrapper) => {
                let mut command = Command::new(wrapper);
                command.args(words).arg(program);
                command
            }
            None => Command::new(program),
        };
        let mut child = command
            .args(["--serve", contestant, "--cpu", &cpu.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let addr = line
            .trim()
            .parse()
            .map_err(|_| io::Error::other(format!("the server of {contestant} did not start")))?;
        let mut server = Self {
            child,
            addr,
            idle: 0,
        };
        // It has all its descriptors once it has had a client.
        drop(server.connect()?);
        thread::sleep(Duration::from_millis(100));
        server.idle = server.descriptors()?;
        Ok(server)
    }

    /// Makes a connection. It is closed by a reset, which leaves no port behind that is not to be
    /// used for a minute.
    pub(crate) fn connect(&self) -> io::Result<std::net::TcpStream> {
        let mut stream = std::net::TcpStream::connect(self.addr)?;
        stream.set_nodelay(true)?;
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        // It is served once it has had an echo.
        stream.write_all(b"a")?;
        stream.read_exact(&mut [0])?;
        Ok(stream)
    }

    /// The processor time of the server's thread.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let pid = self.child.id();
        cpu_of(&format!("/proc/{pid}/task/{pid}/schedstat"))
    }

    /// Waits for the server to have closed its connections.
    pub(crate) fn await_idle(&self) -> io::Result<()> {
        for _ in 0..3000 {
            if self.descriptors()? <= self.idle {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err(io::Error::other("a server does not close its connections"))
    }

    fn descriptors(&self) -> io::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input ends it; see `run`.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The processor time of a thread by its `schedstat`, which counts nanoseconds.
pub(crate) fn cpu_of(schedstat: &str) -> io::Result<Duration> {
    let text = fs::read_to_string(schedstat)?;
    let spent = text
        .split_whitespace()
        .next()
        .and_then(|time| time.parse().ok());
    spent
        .map(Duration::from_nanos)
        .ok_or_else(|| io::Error::other(format!("{schedstat} has no time in it")))
}

/// Is a server, until the standard input ends.
pub(crate) fn run(serve: fn(TcpListener) -> io::Result<()>) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", listener.local_addr()?)?;
    stdout.flush()?;
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
    serve(listener)
}
