//! The client matrix: the program, driven by the FTP clients that people really use.
//!
//! A [`Client`] turns an [`Operation`] into the command line of one real program.
//! [`check`] starts the server on a directory of its own, has the client do everything that it can
//! do, and compares the files on both sides byte by byte. What the clients print is looked at for
//! listings only: the files are the proof.
//!
//! Some clients are libraries: a script for their language, or a [`Client`] that calls them, does
//! what a user's program would.
//!
//! The program under test is the one that the variable `FTPDLIB_BIN` names, or the one built from
//! this workspace. Packages of Python and Node.js are in `target/clients`. A client that is not
//! installed is skipped with a note, unless `FTPDLIB_REQUIRE_CLIENTS` is `1`.

mod aioftp;
mod basic_ftp;
mod commons_net;
mod curl;
mod files;
mod ftp_ssl;
mod jsftp;
mod lftp;
mod matrix;
mod ncftp;
mod operation;
mod program;
mod python;
mod rclone;
mod run;
mod tnftp;
mod wget;

pub use aioftp::Aioftp;
pub use basic_ftp::BasicFtp;
pub use commons_net::CommonsNet;
pub use curl::Curl;
pub use ftp_ssl::FtpSsl;
pub use jsftp::Jsftp;
pub use lftp::Lftp;
pub use matrix::check;
pub use ncftp::Ncftp;
pub use operation::{Client, Family, Mode, Operation, PASSWORD, Security, TIME, Target, USER};
pub use program::executable;
pub use python::PythonFtplib;
pub use rclone::Rclone;
pub use run::Invocation;
pub use tnftp::Tnftp;
pub use wget::Wget;
