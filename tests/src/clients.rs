//! The client matrix: the program, driven by the FTP clients that people really use.
//!
//! A [`Client`] turns an [`Operation`] into the command line of one real program.
//! [`check`] starts the server on a directory of its own, has the client do everything that it can
//! do, and compares the files on both sides byte by byte. What the clients print is looked at for
//! listings only: the files are the proof.
//!
//! The program under test is the one that the variable `FTPDLIB_BIN` names, or the one built from
//! this workspace. A client that is not installed is skipped with a note, unless
//! `FTPDLIB_REQUIRE_CLIENTS` is `1`.

mod curl;
mod files;
mod lftp;
mod matrix;
mod ncftp;
mod operation;
mod program;
mod python;
mod run;
mod tnftp;
mod wget;

pub use curl::Curl;
pub use lftp::Lftp;
pub use matrix::check;
pub use ncftp::Ncftp;
pub use operation::{Client, Family, Mode, Operation, PASSWORD, Security, Target, USER};
pub use python::PythonFtplib;
pub use run::Invocation;
pub use tnftp::Tnftp;
pub use wget::Wget;
