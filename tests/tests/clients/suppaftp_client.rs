//! suppaftp, called as a library.

use std::error::Error;
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use ftpdlib_tests::clients::{
    Client, Family, Mode, Operation, PASSWORD, Security, TIME, Target, USER,
};
use ftpdlib_tests::tls;
use suppaftp::list::ListParser;
use suppaftp::types::FileType;
use suppaftp::{
    FtpError, FtpStream, ImplFtpStream, RustlsConnector, RustlsFtpStream, Status, TlsStream,
    TransferStream,
};

/// How long one call that waits for the server may take.
const LIMIT: Duration = Duration::from_secs(30);

/// `suppaftp`: the strictest about reply codes and the form of LIST lines.
#[derive(Debug)]
pub(crate) struct Suppaftp;

impl Client for Suppaftp {
    fn programs(&self) -> &'static [&'static str] {
        &[]
    }

    fn perform(
        &self,
        target: &Target,
        operation: &Operation<'_>,
        _home: &Path,
    ) -> Result<Option<String>, String> {
        if let Operation::FetchMatching { .. }
        | Operation::FetchTree { .. }
        | Operation::StoreTree { .. } = operation
        {
            return Ok(None);
        }
        let cannot = |error| format!("cannot connect: {error}");
        let version = match target.security {
            Security::Clear => {
                let ftp: FtpStream = connect(target).map_err(cannot)?;
                return perform(ftp, target, operation).map(Some);
            }
            Security::ExplicitTls12 => tls::VERSIONS[0],
            Security::Explicit | Security::Implicit => tls::VERSIONS[1],
        };
        let ftp: RustlsFtpStream = connect(target).map_err(cannot)?;
        let connector = RustlsConnector::from(tls::config(version));
        let ftp = ftp.into_secure(connector, "localhost").map_err(cannot)?;
        perform(ftp, target, operation).map(Some)
    }

    fn resumes_tls(&self) -> bool {
        true
    }
}

fn perform<T: TlsStream>(
    ftp: ImplFtpStream<T>,
    target: &Target,
    operation: &Operation<'_>,
) -> Result<String, String> {
    let mut ftp = log_in(ftp, target).map_err(|error| format!("cannot log in: {error}"))?;
    let printed = run(&mut ftp, operation).map_err(|error| format!("{operation:?}: {error}"))?;
    ftp.quit().map_err(|error| error.to_string())?;
    Ok(printed)
}

fn connect<T: TlsStream>(target: &Target) -> Result<ImplFtpStream<T>, FtpError> {
    let ftp = ImplFtpStream::connect_timeout(target.address, LIMIT)?;
    ftp.get_ref()
        .set_read_timeout(Some(LIMIT))
        .map_err(FtpError::ConnectionError)?;
    Ok(ftp)
}

fn log_in<T: TlsStream>(
    mut ftp: ImplFtpStream<T>,
    target: &Target,
) -> Result<ImplFtpStream<T>, FtpError> {
    ftp = match target.mode {
        Mode::Active => ftp.active_mode(LIMIT),
        Mode::Passive => ftp.passive_stream_builder(|address| {
            TcpStream::connect_timeout(&address, LIMIT).map_err(FtpError::ConnectionError)
        }),
    };
    if (target.mode, target.family()) == (Mode::Passive, Family::V6) {
        ftp.set_mode(suppaftp::Mode::ExtendedPassive);
    }
    ftp.login(USER, PASSWORD)?;
    ftp.transfer_type(FileType::Binary)?;
    Ok(ftp)
}

fn run<T: TlsStream>(
    ftp: &mut ImplFtpStream<T>,
    operation: &Operation<'_>,
) -> Result<String, Box<dyn Error>> {
    match *operation {
        Operation::List { directory } => return list(ftp, directory),
        Operation::Fetch { remote, local } => fetch(ftp, remote, local)?,
        Operation::Store { local, remote } => {
            let upload = ftp.put_with_stream(remote)?;
            send(File::open(local)?, upload)?;
        }
        Operation::Append { local, remote } => {
            let upload = ftp.append_with_stream(remote)?;
            send(File::open(local)?, upload)?;
        }
        Operation::ResumeFetch {
            remote,
            local,
            offset,
        } => {
            ftp.resume_transfer(offset)?;
            let mut file = File::options().append(true).open(local)?;
            let mut download = bounded(ftp.retr_as_stream(remote)?)?;
            io::copy(&mut download, &mut file)?;
            download.finish()?;
        }
        Operation::ResumeStore {
            local,
            remote,
            offset,
        } => {
            ftp.resume_transfer(offset)?;
            let upload = ftp.put_with_stream(remote)?;
            let mut file = File::open(local)?;
            file.seek(SeekFrom::Start(offset.try_into()?))?;
            send(file, upload)?;
        }
        Operation::Rename { from, to } => ftp.rename(from, to)?,
        Operation::Delete { remote } => ftp.rm(remote)?,
        Operation::MakeDirectory { remote } => {
            ftp.mkdir(remote)?;
            ftp.cwd(remote)?;
            expect_eq(ftp.pwd()?, format!("/{remote}"))?;
            ftp.cdup()?;
        }
        Operation::RemoveDirectory { remote } => ftp.rmdir(remote)?,
        Operation::SetTime { remote } => {
            ftp.custom_command(format!("MFMT {TIME} {remote}"), &[Status::File])?;
            let time = ftp.mdtm(remote)?.format("%Y%m%d%H%M%S").to_string();
            expect_eq(time.as_str(), TIME)?;
        }
        Operation::AbortThenFetch {
            large,
            remote,
            local,
        } => {
            let mut download = bounded(ftp.retr_as_stream(large)?)?;
            download.read_exact(&mut [0; 1000])?;
            ftp.abort(download)?;
            fetch(ftp, remote, local)?;
        }
        Operation::FetchMatching { .. }
        | Operation::FetchTree { .. }
        | Operation::StoreTree { .. } => {
            return Err("no such thing".into());
        }
    }
    Ok(String::new())
}

/// Lists by LIST, MLSD and NLST, which have to agree.
fn list<T: TlsStream>(
    ftp: &mut ImplFtpStream<T>,
    directory: &str,
) -> Result<String, Box<dyn Error>> {
    let path = Some(directory).filter(|directory| !directory.is_empty());
    let mut files = Vec::new();
    for line in ftp.list(path)? {
        files.push(ListParser::parse_posix(&line)?);
    }
    let facts = ftp.mlsd(path)?;
    expect_eq(facts.len(), files.len())?;
    for line in facts {
        let file = ListParser::parse_mlsd(&line)?;
        let same = files.iter().find(|same| same.name() == file.name());
        let same = same.ok_or_else(|| format!("{line} is not in the listing of LIST"))?;
        expect_eq(file.file_type(), same.file_type())?;
        if file.is_file() {
            expect_eq(file.size(), same.size())?;
            expect_eq(
                ftp.size(format!("{directory}/{}", file.name()))?,
                file.size(),
            )?;
        }
    }
    expect_eq(ftp.nlst(path)?.len(), files.len())?;
    Ok(files
        .iter()
        .map(|file| format!("{}\n", file.name()))
        .collect())
}

fn fetch<T: TlsStream>(
    ftp: &mut ImplFtpStream<T>,
    remote: &str,
    local: &Path,
) -> Result<(), Box<dyn Error>> {
    let mut download = bounded(ftp.retr_as_stream(remote)?)?;
    let mut bytes = Vec::new();
    download.read_to_end(&mut bytes)?;
    download.finish()?;
    Ok(fs::write(local, bytes)?)
}

fn send<T: TlsStream>(mut file: File, upload: TransferStream<T>) -> Result<(), Box<dyn Error>> {
    let mut upload = bounded(upload)?;
    io::copy(&mut file, &mut upload)?;
    Ok(upload.finish()?)
}

/// Lets no read or write on the data connection wait for ever.
fn bounded<T: TlsStream>(stream: TransferStream<T>) -> io::Result<TransferStream<T>> {
    let socket = stream.get_ref().get_ref();
    socket.set_read_timeout(Some(LIMIT))?;
    socket.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}

fn expect_eq<T: Debug + PartialEq>(got: T, expected: T) -> Result<(), Box<dyn Error>> {
    if got == expected {
        Ok(())
    } else {
        Err(format!("{got:?} instead of {expected:?}").into())
    }
}
