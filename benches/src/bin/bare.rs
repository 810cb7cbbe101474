//! The ceiling: the system calls of a transfer and next to nothing of FTP, a thread for each
//! client.
//!
//! `bare PORT DIRECTORY` accepts every login, checks nothing and waits for every client in blocking
//! calls, without a reactor. What it reaches is what the kernel can do on this machine.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};
use std::thread;

use ftpdlib_sys::send_file;

/// Most bytes asked of one sendfile.
const PIECE: usize = 1 << 30;

/// Files up to this size fit into the socket, so both replies may follow the data.
const SMALL: u64 = 1 << 16;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, port, root] = arguments.as_slice() else {
        return Err(io::Error::other("usage: bare PORT DIRECTORY"));
    };
    let port: u16 = port.parse().map_err(io::Error::other)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    loop {
        let (control, _) = listener.accept()?;
        let root = PathBuf::from(root);
        // A client that leaves in the middle is no concern of the others.
        thread::spawn(move || serve(&control, &root));
    }
}

fn serve(control: &TcpStream, root: &Path) -> io::Result<()> {
    control.set_nodelay(true)?;
    say(control, "220 bare")?;
    let mut lines = BufReader::new(control);
    let mut line = String::new();
    let mut passive = None;
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "USER" => say(control, "331 anything")?,
            "PASS" => say(control, "230 in")?,
            "TYPE" | "NOOP" => say(control, "200 done")?,
            "PWD" => say(control, "257 \"/\"")?,
            "EPSV" => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                let port = listener.local_addr()?.port();
                passive = Some(listener);
                say(control, &format!("229 Entering (|||{port}|)"))?;
            }
            "RETR" | "STOR" => match (passive.take(), real_path(root, argument)) {
                (Some(listener), Some(path)) if verb == "RETR" => retr(control, &listener, &path)?,
                (Some(listener), Some(path)) => stor(control, &listener, &path)?,
                _ => say(control, "501 no")?,
            },
            "QUIT" => return say(control, "221 bye"),
            _ => say(control, "502 no")?,
        }
    }
}

fn retr(control: &TcpStream, listener: &TcpListener, path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let (data, _) = listener.accept()?;
    if size > SMALL {
        say(control, "150 here")?;
    }
    let mut offset = 0;
    while offset < size {
        if send_file(data.as_fd(), file.as_fd(), &mut offset, PIECE)? == 0 {
            break;
        }
    }
    drop(data);
    match size > SMALL {
        true => say(control, "226 done"),
        false => say(control, "150 here\r\n226 done"),
    }
}

fn stor(control: &TcpStream, listener: &TcpListener, path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    let (mut data, _) = listener.accept()?;
    say(control, "150 send")?;
    let mut buffer = [0; SMALL as usize];
    loop {
        match data.read(&mut buffer)? {
            0 => break,
            bytes => file.write_all(&buffer[..bytes])?,
        }
    }
    say(control, "226 done")
}

/// The file under `root` that a client means; none above it.
fn real_path(root: &Path, name: &str) -> Option<PathBuf> {
    let name = Path::new(name.trim_start_matches('/'));
    let inside = name
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    inside.then(|| root.join(name))
}

fn say(mut control: &TcpStream, line: &str) -> io::Result<()> {
    control.write_all(format!("{line}\r\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        let path = real_path(Path::new("/srv"), name);
        assert_eq!(path.as_deref(), expected.map(Path::new), "{name}");
    }

    #[test]
    fn a_name_stays_below_the_root() {
        check("big", Some("/srv/big"));
        check("/small/01", Some("/srv/small/01"));
        check("../etc", None);
        check("a/../../etc", None);
    }
}
