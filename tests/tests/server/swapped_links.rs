//! Links that another session swaps in between a check and what it was for.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::filesystems::{AbstractedFs, Filesystem, FilesystemError, Layer, Layered};
use ftpdlib::handlers::{CustomCommand, FtpHandler};
use ftpdlib::proto::{Perm, Reply, VirtualPath};
use ftpdlib::servers::FtpServerBuilder;
use ftpdlib_tests::server::TestServer;
use tempfile::TempDir;

use super::overrides::{ALL, state};

/// Over a disk, on which the directory `open` becomes a link to `guarded` as soon as a path has
/// been resolved: what another session may do at the worst moment.
struct Swapping(PathBuf);

impl Swapping {
    fn swap(&self) {
        let home = &self.0;
        if home.join("open").is_symlink() {
            return;
        }
        fs::rename(home.join("open"), home.join("aside")).unwrap();
        symlink("guarded", home.join("open")).unwrap();
    }

    fn swap_back(home: &Path) {
        if home.join("open").is_symlink() {
            fs::remove_file(home.join("open")).unwrap();
            fs::rename(home.join("aside"), home.join("open")).unwrap();
        }
    }
}

impl Layer for Swapping {
    fn canonical(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<VirtualPath, FilesystemError> {
        let resolved = inner.canonical(path);
        self.swap();
        resolved
    }

    fn is_local(&self, inner: &dyn Filesystem) -> bool {
        inner.is_local()
    }
}

/// With a user who may do anything but in `guarded`.
fn server() -> TestServer {
    let home = TempDir::new().unwrap();
    for name in ["open", "guarded"] {
        let directory = home.path().join(name);
        fs::create_dir_all(directory.join("empty")).unwrap();
        // Of different sizes, so that a size is not the other's by chance.
        fs::write(directory.join("f"), name).unwrap();
    }
    fs::write(home.path().join("guarded/secret"), "").unwrap();
    let authorizer = DummyAuthorizer::new();
    let user = User::new("user", "12345", home.path()).perm(ALL);
    authorizer.add_user(user).unwrap();
    authorizer
        .override_perm("user", home.path().join("guarded"), "", true)
        .unwrap();
    let handler = FtpHandler::new(authorizer).abstracted_fs(|login| {
        let disk = Arc::new(AbstractedFs::new(&login.home)?);
        Ok(Arc::new(Layered::new(Swapping(login.home.clone()), disk)) as Arc<dyn Filesystem>)
    });
    let look = CustomCommand::new("SITE LOOK", |cx| {
        let Some(files) = cx.filesystem() else {
            return Reply::new(530, "Log in first.");
        };
        let directory = files.list(cx.working_directory());
        match (directory, files.open_read(cx.path(), 0)) {
            (Ok(_), Ok(_)) => Reply::bytes(200, cx.path().as_bytes().to_vec()),
            (Err(error), _) | (_, Err(error)) => Reply::new(550, error.to_string()),
        }
    });
    let handler = handler.command(look.perm(Perm::Retrieve));
    let builder = FtpServerBuilder::new(handler).listen((Ipv4Addr::LOCALHOST, 0));
    TestServer::run(builder, home)
}

#[test]
fn a_link_swapped_in_after_the_check_leads_nowhere() {
    let server = server();
    let before = state(&server.path("guarded"));
    let mut client = server.client();
    client.expect("TYPE I", 200);
    for command in [
        "RETR open/f",
        "STOR open/f",
        "STOR open/new",
        "APPE open/f",
        "STOU open/f",
        "LIST open",
        "LIST open/f",
        "LIST open/*",
        "NLST open",
        "MLSD open",
        "STAT open",
        "STAT open/f",
        "MLST open/f",
        "CWD open",
        "SIZE open/f",
        "MDTM open/f",
        "AVBL open",
        "HASH open/f",
        "XMD5 open/f",
        "CPFR open/f",
        "SITE COPY open/f copy",
        "COMB copy open/f",
        "RNFR open/f",
        "DELE open/f",
        "RMD open/empty",
        "MKD open/new",
        "SITE CHMOD 600 open/f",
        "MFMT 20200101000000 open/f",
        "MFF UNIX.mode=600; open/f",
        "SITE LOOK open/f",
    ] {
        Swapping::swap_back(server.home());
        client.epsv();
        client.send(command);
        let reply = client.next_reply().unwrap();
        assert_eq!(reply.code, 550, "{command}: {}", reply.text());
        assert!(server.path("open").is_symlink(), "{command}");
        assert_eq!(state(&server.path("guarded")), before, "{command}");
    }
}

#[test]
fn a_custom_command_was_given_a_path_with_the_links_that_were_checked() {
    let server = server();
    fs::create_dir(server.path("other")).unwrap();
    fs::write(server.path("other/f"), "").unwrap();
    symlink("other", server.path("way")).unwrap();
    let mut client = server.client();
    client.expect("CWD way", 250);
    assert_eq!(client.expect("SITE LOOK f", 200).argument(), "/other/f");
    // The user is not told what is wrong with what is guarded.
    for name in ["/guarded/f", "/guarded/missing"] {
        let reply = client.expect(&format!("SITE LOOK {name}"), 550);
        assert_eq!(reply.argument(), "Not enough privileges.", "{name}");
    }
}
