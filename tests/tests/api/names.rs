//! docs/pyftpdlib.md leaves out no class, method or attribute of pyftpdlib's reference, and names
//! nothing that is not there.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use ftpdlib::authorizers::{
    AuthenticationFailed, Authorizer, AuthorizerError, DummyAuthorizer, Guard, Login,
    UnixAuthorizer,
};
use ftpdlib::filesystems::{AbstractedFs, FilesystemError, OpenMode, UnixFilesystem};
use ftpdlib::handlers::{
    DtpHandler, FtpHandler, ObservedSession, ObservedTransfer, Observer, ThrottledDtpHandler,
    TlsDtpHandler, TlsFtpHandler,
};
use ftpdlib::ioloop::{Acceptor, AsyncChat, Connector, IoLoop};
use ftpdlib::proto::NameEncoding;
use ftpdlib::servers::{
    AddressOrSocket, FtpServer, FtpServerBuilder, MultiprocessFtpServer, ServeOptions,
    ThreadedFtpServer,
};
use ftpdlib::tls::rustls::ServerConfig;

/// The documented table.
const TABLE: &str = include_str!("../../../docs/pyftpdlib.md");

/// The classes, methods and attributes of the reference, both of its texts, and the arguments of
/// `FTPServer`.
const REFERENCE: &str = include_str!("../../data/pyftpdlib-names.txt");

/// Names that have no counterpart yet.
const MISSING: &[&str] = &["WindowsAuthorizer"];

/// Writes the pairs of names, and code that compiles only if the library has ours.
macro_rules! names {
    ($($theirs:literal => $ours:literal, $proof:expr;)*) => {
        /// Their name, ours, and the code that uses it.
        const NAMES: &[(&str, &str, &str)] = &[$(($theirs, $ours, stringify!($proof))),*];

        #[expect(dead_code, reason = "that it compiles is the test")]
        fn proofs() {
            $(let _ = $proof;)*
        }
    };
}

names! {
    "AuthenticationFailed" => "authorizers::AuthenticationFailed", is::<AuthenticationFailed>();
    "AuthorizerError" => "authorizers::AuthorizerError", is::<AuthorizerError>();
    "DummyAuthorizer" => "authorizers::DummyAuthorizer", is::<DummyAuthorizer>();
    "DummyAuthorizer.add_user" => "DummyAuthorizer::add_user", DummyAuthorizer::add_user;
    "DummyAuthorizer.add_anonymous" => "DummyAuthorizer::add_anonymous", |a: &DummyAuthorizer| a.add_anonymous("/");
    "DummyAuthorizer.override_perm" => "DummyAuthorizer::override_perm", |a: &DummyAuthorizer| a.override_perm("u", "/", "e", true);
    "DummyAuthorizer.validate_authentication" => "DummyAuthorizer::validate_authentication", |a: &DummyAuthorizer| a.validate_authentication("u", "p");
    "DummyAuthorizer.impersonate_user" => "Authorizer::impersonate", |a: &dyn Authorizer, l: &Login| a.impersonate(l);
    "DummyAuthorizer.terminate_impersonation" => "authorizers::Guard", is::<Guard>();
    "DummyAuthorizer.remove_user" => "DummyAuthorizer::remove_user", DummyAuthorizer::remove_user;
    "UnixAuthorizer" => "authorizers::UnixAuthorizer", is::<UnixAuthorizer>();
    "UnixAuthorizer.override_user" => "UnixAuthorizer::override_user", UnixAuthorizer::override_user;
    "FTPHandler" => "handlers::FtpHandler", is::<FtpHandler>();
    "FTPHandler.authorizer" => "FtpHandler::new", FtpHandler::new(DummyAuthorizer::new());
    "FTPHandler.timeout" => "FtpHandler::timeout", set(|h| h.timeout(None));
    "FTPHandler.banner" => "FtpHandler::banner", set(|h| h.banner("Hi."));
    "FTPHandler.max_login_attempts" => "FtpHandler::max_login_attempts", set(|h| h.max_login_attempts(3));
    "FTPHandler.permit_foreign_addresses" => "FtpHandler::permit_foreign_addresses", set(|h| h.permit_foreign_addresses(true));
    "FTPHandler.permit_privileged_ports" => "FtpHandler::permit_privileged_ports", set(|h| h.permit_privileged_ports(true));
    "FTPHandler.masquerade_address" => "FtpHandler::masquerade_address", set(|h| h.masquerade_address("ftp.example.org"));
    "FTPHandler.masquerade_address_map" => "FtpHandler::masquerade_address_map", set(|h| h.masquerade_address_map(HashMap::new()));
    "FTPHandler.passive_ports" => "FtpHandler::passive_ports", set(|h| h.passive_ports(60_000..=65_535));
    "FTPHandler.use_gmt_times" => "FtpHandler::use_gmt_times", set(|h| h.use_gmt_times(true));
    "FTPHandler.tcp_no_delay" => "FtpHandler::tcp_no_delay", set(|h| h.tcp_no_delay(true));
    "FTPHandler.use_sendfile" => "FtpHandler::use_sendfile", set(|h| h.use_sendfile(true));
    "FTPHandler.encoding" => "FtpHandler::encoding", set(|h| h.encoding(NameEncoding::UTF_8));
    "FTPHandler.auth_failed_timeout" => "FtpHandler::auth_failed_timeout", set(|h| h.auth_failed_timeout(Duration::from_secs(3)));
    "FTPHandler.on_connect" => "Observer::on_connect", |o: &dyn Observer, s: &ObservedSession| o.on_connect(s);
    "FTPHandler.on_disconnect" => "Observer::on_disconnect", |o: &dyn Observer, s: &ObservedSession| o.on_disconnect(s);
    "FTPHandler.on_login" => "Observer::on_login", |o: &dyn Observer, s: &ObservedSession| o.on_login(s, "");
    "FTPHandler.on_login_failed" => "Observer::on_login_failed", |o: &dyn Observer, s: &ObservedSession| o.on_login_failed(s, "", "");
    "FTPHandler.on_logout" => "Observer::on_logout", |o: &dyn Observer, s: &ObservedSession| o.on_logout(s, "");
    "FTPHandler.on_file_sent" => "Observer::on_file_sent", |o: &dyn Observer, s: &ObservedSession, t: &ObservedTransfer| o.on_file_sent(s, t);
    "FTPHandler.on_file_received" => "Observer::on_file_received", |o: &dyn Observer, s: &ObservedSession, t: &ObservedTransfer| o.on_file_received(s, t);
    "FTPHandler.on_incomplete_file_sent" => "Observer::on_incomplete_file_sent", |o: &dyn Observer, s: &ObservedSession, t: &ObservedTransfer| o.on_incomplete_file_sent(s, t);
    "FTPHandler.on_incomplete_file_received" => "Observer::on_incomplete_file_received", |o: &dyn Observer, s: &ObservedSession, t: &ObservedTransfer| o.on_incomplete_file_received(s, t);
    "DTPHandler" => "handlers::DtpHandler", is::<DtpHandler>();
    "DTPHandler.timeout" => "DtpHandler::timeout", |d: DtpHandler| d.timeout(None);
    "DTPHandler.ac_in_buffer_size" => "DtpHandler::ac_in_buffer_size", |d: DtpHandler| d.ac_in_buffer_size(65_536);
    "DTPHandler.ac_out_buffer_size" => "DtpHandler::ac_out_buffer_size", |d: DtpHandler| d.ac_out_buffer_size(65_536);
    "ThrottledDTPHandler" => "handlers::ThrottledDtpHandler", is::<ThrottledDtpHandler>();
    "ThrottledDTPHandler.read_limit" => "ThrottledDtpHandler::read_limit", |d: ThrottledDtpHandler| d.read_limit(0);
    "ThrottledDTPHandler.write_limit" => "ThrottledDtpHandler::write_limit", |d: ThrottledDtpHandler| d.write_limit(0);
    "FTPServer" => "servers::FtpServer", is::<FtpServer>();
    "FTPServer(address_or_socket)" => "servers::AddressOrSocket", is::<AddressOrSocket>();
    "FTPServer(handler)" => "FtpServer::new", |h: FtpHandler| FtpServer::new(([127, 0, 0, 1], 0), h);
    "FTPServer(ioloop)" => "FtpServer::attach", |s: FtpServer, l: &mut IoLoop| s.attach(l);
    "FTPServer(backlog)" => "FtpServerBuilder::backlog", |b: FtpServerBuilder| b.backlog(100);
    "FTPServer.max_cons" => "FtpServerBuilder::max_cons", |b: FtpServerBuilder| b.max_cons(512);
    "FTPServer.max_cons_per_ip" => "FtpServerBuilder::max_cons_per_ip", |b: FtpServerBuilder| b.max_cons_per_ip(0);
    "FTPServer.serve_forever" => "FtpServer::serve_forever", |s: &mut FtpServer| s.serve_forever(ServeOptions::default());
    "FTPServer.serve_forever(timeout)" => "ServeOptions::timeout", |o: ServeOptions| o.timeout(None);
    "FTPServer.serve_forever(blocking)" => "ServeOptions::blocking", |o: ServeOptions| o.blocking(true);
    "FTPServer.serve_forever(handle_exit)" => "ServeOptions::handle_exit", |o: ServeOptions| o.handle_exit(true);
    "FTPServer.serve_forever(worker_processes)" => "ServeOptions::worker_processes", |o: ServeOptions| o.worker_processes(1);
    "FTPServer.close" => "FtpServer::close", FtpServer::close;
    "FTPServer.close_all" => "FtpServer::close_all", FtpServer::close_all;
    "ThreadedFTPServer" => "servers::ThreadedFtpServer", |h: FtpHandler| ThreadedFtpServer::new(([127, 0, 0, 1], 0), h);
    "MultiprocessFTPServer" => "servers::MultiprocessFtpServer", |h: FtpHandler| MultiprocessFtpServer::new(([127, 0, 0, 1], 0), h);
    "FilesystemError" => "filesystems::FilesystemError", is::<FilesystemError>();
    "AbstractedFS" => "filesystems::AbstractedFs", is::<AbstractedFs>();
    "AbstractedFS.root" => "AbstractedFs::root", AbstractedFs::root;
    "AbstractedFS.cwd" => "AbstractedFs::cwd", AbstractedFs::cwd;
    "AbstractedFS.ftpnorm" => "AbstractedFs::ftpnorm", |fs: &AbstractedFs| fs.ftpnorm("a");
    "AbstractedFS.ftp2fs" => "AbstractedFs::ftp2fs", |fs: &AbstractedFs| fs.ftp2fs("a");
    "AbstractedFS.fs2ftp" => "AbstractedFs::fs2ftp", |fs: &AbstractedFs| fs.fs2ftp("/a");
    "AbstractedFS.validpath" => "AbstractedFs::validpath", |fs: &AbstractedFs| fs.validpath("/a");
    "AbstractedFS.open" => "AbstractedFs::open", |fs: &AbstractedFs| fs.open("a", OpenMode::Read);
    "AbstractedFS.mkdir" => "AbstractedFs::mkdir", |fs: &AbstractedFs| fs.mkdir("a");
    "AbstractedFS.rmdir" => "AbstractedFs::rmdir", |fs: &AbstractedFs| fs.rmdir("a");
    "AbstractedFS.remove" => "AbstractedFs::remove", |fs: &AbstractedFs| fs.remove("a");
    "AbstractedFS.stat" => "AbstractedFs::stat", |fs: &AbstractedFs| fs.stat("a");
    "AbstractedFS.lstat" => "AbstractedFs::lstat", |fs: &AbstractedFs| fs.lstat("a");
    "AbstractedFS.readlink" => "AbstractedFs::readlink", |fs: &AbstractedFs| fs.readlink("a");
    "AbstractedFS.chdir" => "AbstractedFs::chdir", |fs: &mut AbstractedFs| fs.chdir("a");
    "AbstractedFS.rename" => "AbstractedFs::rename", |fs: &AbstractedFs| fs.rename("a", "b");
    "AbstractedFS.chmod" => "AbstractedFs::chmod", |fs: &AbstractedFs| fs.chmod("a", 0o644);
    "AbstractedFS.isfile" => "AbstractedFs::isfile", |fs: &AbstractedFs| fs.isfile("a");
    "AbstractedFS.islink" => "AbstractedFs::islink", |fs: &AbstractedFs| fs.islink("a");
    "AbstractedFS.isdir" => "AbstractedFs::isdir", |fs: &AbstractedFs| fs.isdir("a");
    "AbstractedFS.getsize" => "AbstractedFs::getsize", |fs: &AbstractedFs| fs.getsize("a");
    "AbstractedFS.getmtime" => "AbstractedFs::getmtime", |fs: &AbstractedFs| fs.getmtime("a");
    "AbstractedFS.realpath" => "AbstractedFs::realpath", |fs: &AbstractedFs| fs.realpath("a");
    "AbstractedFS.lexists" => "AbstractedFs::lexists", |fs: &AbstractedFs| fs.lexists("a");
    "AbstractedFS.mkstemp" => "AbstractedFs::mkstemp", |fs: &AbstractedFs| fs.mkstemp("", "", "/");
    "AbstractedFS.listdir" => "AbstractedFs::listdir", |fs: &AbstractedFs| fs.listdir("/").is_ok();
    "UnixFilesystem" => "filesystems::UnixFilesystem", is::<UnixFilesystem>();
    "IOLoop" => "ioloop::IoLoop", is::<IoLoop>();
    "Connector" => "ioloop::Connector", is::<Connector>();
    "Acceptor" => "ioloop::Acceptor", is::<Acceptor>();
    "AsyncChat" => "ioloop::AsyncChat", is::<AsyncChat<()>>();
    "TLS_FTPHandler" => "handlers::TlsFtpHandler", is::<TlsFtpHandler>();
    "TLS_DTPHandler" => "handlers::TlsDtpHandler", is::<TlsDtpHandler>();
    "TLS_FTPHandler.certfile" => "TlsFtpHandler::certfile", |h: TlsFtpHandler| h.certfile("cert.pem");
    "TLS_FTPHandler.keyfile" => "TlsFtpHandler::keyfile", |h: TlsFtpHandler| h.keyfile("key.pem");
    "TLS_FTPHandler.ssl_protocol" => "TlsFtpHandler::min_version", TlsFtpHandler::min_version;
    "TLS_FTPHandler.ssl_options" => "TlsFtpHandler::min_version", TlsFtpHandler::min_version;
    "TLS_FTPHandler.ssl_context" => "TlsFtpHandler::server_config", |h: TlsFtpHandler, c: Arc<ServerConfig>| h.server_config(c);
    "TLS_FTPHandler.tls_control_required" => "TlsFtpHandler::tls_control_required", TlsFtpHandler::tls_control_required;
    "TLS_FTPHandler.tls_data_required" => "TlsFtpHandler::tls_data_required", TlsFtpHandler::tls_data_required;
}

/// Compiles for a type that there is.
fn is<T: ?Sized>() {}

/// Compiles for a setting that there is.
fn set(_: fn(FtpHandler) -> FtpHandler) {}

/// Their names and ours in the table; none for a dash.
fn documented() -> Vec<(String, Option<String>)> {
    let rows = TABLE.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.split('|').skip(1).map(|cell| cell.trim());
        let theirs = cells.next().unwrap().trim_matches('`').to_owned();
        let ours = cells.next().unwrap();
        (
            theirs,
            (ours != "—").then(|| ours.trim_matches('`').to_owned()),
        )
    })
    .collect()
}

#[test]
fn the_table_has_every_name_of_the_reference_once() {
    let rows = documented();
    let table: BTreeSet<_> = rows.iter().map(|(theirs, _)| theirs.as_str()).collect();
    let reference: BTreeSet<_> = REFERENCE.lines().collect();
    assert_eq!(table, reference);
    assert_eq!(table.len(), rows.len(), "a name is there twice");
}

#[test]
fn the_library_has_every_name_of_the_table() {
    let known: HashMap<_, _> = NAMES
        .iter()
        .map(|(theirs, ours, _)| (*theirs, *ours))
        .collect();
    for (theirs, ours) in documented() {
        assert_eq!(
            known.get(theirs.as_str()).copied(),
            ours.as_deref(),
            "{theirs}"
        );
        assert_eq!(
            MISSING.contains(&theirs.as_str()),
            ours.is_none(),
            "{theirs}"
        );
    }
}

#[test]
fn the_code_uses_the_name() {
    for (_, ours, code) in NAMES {
        let name = ours.rsplit(':').next().unwrap();
        assert!(code.contains(name), "{ours} in {code}");
    }
}
