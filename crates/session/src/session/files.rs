//! Names and files: CWD, CDUP, PWD, MKD, RMD, DELE, RNFR, RNTO, SIZE, MDTM, MLST, AVBL, SITE
//! SYMLINK (RFC 959 §4.1.3, RFC 3659).

use ftpdlib_proto::{FileKind, Metadata, Perm, Reply, TransferType, Verb, VirtualPath};

use super::Session;
use super::attributes::time_value;
use super::pending::Purpose;
use crate::{Action, Change, SessionEvent};

/// What a command named for the one after it.
#[derive(Debug)]
pub(super) enum Selected {
    /// RNFR did.
    Rename(VirtualPath),
    /// CPFR did.
    Copy(VirtualPath),
}

impl<P> Session<P> {
    /// PWD.
    pub(super) fn pwd(&mut self) {
        let path = self.working_directory.as_bytes();
        let reply = Reply::quoted(257, path, "is the current directory.");
        self.reply(reply);
    }

    /// CWD.
    pub(super) fn cwd(&mut self, perm: Option<Perm>, name: &[u8]) {
        if let Some(path) = self.resolve(name) {
            self.change_directory(perm, path);
        }
    }

    /// CDUP: the root is its own parent.
    pub(super) fn cdup(&mut self, perm: Option<Perm>) {
        let parent = self.working_directory.parent();
        self.change_directory(perm, parent.unwrap_or_else(VirtualPath::root));
    }

    /// What CWD or CDUP named is a directory, and the user may enter it.
    pub(super) fn directory_changed(&mut self, path: VirtualPath) {
        let suffix = "is the current directory.";
        self.reply(Reply::quoted(250, path.as_bytes(), suffix));
        self.working_directory = path;
    }

    /// MKD.
    pub(super) fn mkd(&mut self, perm: Option<Perm>, name: &[u8]) {
        if let Some(path) = self.resolve(name) {
            let reply = Reply::quoted(257, path.as_bytes(), "directory created.");
            self.make_directory(perm, path, reply);
        }
    }

    /// SITE MKDIR: MKD in a server's own words.
    pub(super) fn site_mkdir(&mut self, perm: Option<Perm>, name: &[u8]) {
        if let Some(path) = self.resolve(name) {
            let reply = Reply::new(200, "SITE MKDIR successful.");
            self.make_directory(perm, path, reply);
        }
    }

    /// RMD.
    pub(super) fn rmd(&mut self, perm: Option<Perm>, name: &[u8]) {
        if let Some(path) = self.resolve(name) {
            let reply = Reply::new(250, "Directory removed.");
            self.remove_directory(perm, path, reply);
        }
    }

    /// SITE RMDIR: RMD in a server's own words.
    pub(super) fn site_rmdir(&mut self, perm: Option<Perm>, name: &[u8]) {
        if let Some(path) = self.resolve(name) {
            let reply = Reply::new(200, "SITE RMDIR successful.");
            self.remove_directory(perm, path, reply);
        }
    }

    /// DELE.
    pub(super) fn dele(&mut self, perm: Option<Perm>, name: &[u8]) {
        let Some(path) = self.resolve(name) else {
            return;
        };
        let reply = Reply::new(250, "File removed.");
        let action = Action::Remove(path.clone());
        self.change(perm, action, reply, Verb::Dele, Change::Removed(path));
    }

    /// RNFR.
    pub(super) fn rnfr(&mut self, perm: Option<Perm>, name: &[u8]) {
        let Some(path) = self.resolve(name) else {
            return;
        };
        if path.is_root() {
            return self.reply(Reply::new(550, "Can't rename home directory."));
        }
        let action = Action::Exists(path.clone());
        self.ask(perm, action, Purpose::RenameFrom(path));
    }

    /// What RNFR named is there.
    pub(super) fn rename_selected(&mut self, path: VirtualPath) {
        self.selected = Some(Selected::Rename(path));
        self.reply(Reply::new(350, "Ready for destination name."));
    }

    /// RNTO: has to follow RNFR at once (RFC 959 §4.1.3).
    pub(super) fn rnto(&mut self, perm: Option<Perm>, selected: Option<Selected>, name: &[u8]) {
        let Some(Selected::Rename(from)) = selected else {
            let text = "Bad sequence of commands: use RNFR first.";
            return self.reply(Reply::new(503, text));
        };
        let Some(to) = self.resolve(name) else {
            return;
        };
        let action = Action::Rename {
            from: from.clone(),
            to: to.clone(),
        };
        let reply = Reply::new(250, "Renaming ok.");
        self.change(
            perm,
            action,
            reply,
            Verb::Rnto,
            Change::Renamed { from, to },
        );
    }

    /// SIZE: bytes on the data connection, which translation makes unknowable (RFC 3659 §4).
    pub(super) fn size(&mut self, perm: Option<Perm>, name: &[u8]) {
        if self.parameters.transfer_type == TransferType::Ascii {
            return self.reply(Reply::new(550, "SIZE not allowed in ASCII mode."));
        }
        if let Some(path) = self.resolve(name) {
            self.ask(perm, Action::Stat(path.clone()), Purpose::Size(path));
        }
    }

    /// MDTM.
    pub(super) fn mdtm(&mut self, perm: Option<Perm>, name: &[u8]) {
        if let Some(path) = self.resolve(name) {
            self.ask(perm, Action::Stat(path.clone()), Purpose::Modified(path));
        }
    }

    /// Answers MDTM.
    pub(super) fn reply_with_time(&mut self, path: &VirtualPath, metadata: &Metadata) {
        let zone = self.config.zone;
        self.reply_about_file(path, metadata, |metadata| {
            time_value(zone.civil(metadata.modified))
        });
    }

    /// Answers SIZE or MDTM: both are for regular files (RFC 3659 §3.1, §4.1).
    pub(super) fn reply_about_file(
        &mut self,
        path: &VirtualPath,
        metadata: &Metadata,
        value: impl FnOnce(&Metadata) -> String,
    ) {
        self.reply(match metadata.kind {
            FileKind::File => Reply::new(213, value(metadata)),
            FileKind::Directory | FileKind::Symlink | FileKind::Other => {
                Reply::bytes(550, [path.as_bytes(), b" is not retrievable."].concat())
            }
        });
    }

    /// MLST.
    pub(super) fn mlst(&mut self, perm: Option<Perm>, name: Option<&[u8]>) {
        if let Some(path) = self.resolve(name.unwrap_or_default()) {
            let facts = self.parameters.facts;
            let action = Action::FactLine { path, facts };
            self.ask(perm, action, Purpose::FactLine);
        }
    }

    /// AVBL.
    pub(super) fn avbl(&mut self, perm: Option<Perm>, name: Option<&[u8]>) {
        if let Some(path) = self.resolve(name.unwrap_or_default()) {
            self.ask(perm, Action::AvailableSpace(path), Purpose::Space);
        }
    }

    /// SITE SYMLINK.
    pub(super) fn site_symlink(&mut self, perm: Option<Perm>, target: &[u8], link: &[u8]) {
        let Some(target) = self.resolve(target) else {
            return;
        };
        let Some(link) = self.resolve(link) else {
            return;
        };
        let action = Action::Symlink {
            target: target.clone(),
            link: link.clone(),
        };
        let reply = Reply::new(200, "SITE SYMLINK successful.");
        let change = Change::Linked { target, link };
        self.change(perm, action, reply, Verb::SiteSymlink, change);
    }

    /// A name as seen from the working directory; `None` if the client was told that it is none.
    pub(super) fn resolve(&mut self, name: &[u8]) -> Option<VirtualPath> {
        match self.working_directory.join(name) {
            Ok(path) => Some(path),
            Err(error) => {
                self.reply(Reply::new(501, format!("Invalid name: {error}.")));
                None
            }
        }
    }

    fn make_directory(&mut self, perm: Option<Perm>, path: VirtualPath, reply: Reply) {
        if path.is_root() {
            return self.reply(Reply::new(550, "Directory already exists."));
        }
        let action = Action::MakeDirectory(path.clone());
        self.change(perm, action, reply, Verb::Mkd, Change::DirectoryMade(path));
    }

    fn remove_directory(&mut self, perm: Option<Perm>, path: VirtualPath, reply: Reply) {
        if path.is_root() {
            return self.reply(Reply::new(550, "Can't remove root directory."));
        }
        let action = Action::RemoveDirectory(path.clone());
        self.change(
            perm,
            action,
            reply,
            Verb::Rmd,
            Change::DirectoryRemoved(path),
        );
    }

    fn change_directory(&mut self, perm: Option<Perm>, path: VirtualPath) {
        let action = Action::ChangeDirectory(path.clone());
        self.ask(perm, action, Purpose::ChangeDirectory(path));
    }

    /// Asks for a job that changes the filesystem, for `verb`; `reply` and `change` are what is
    /// told of its success.
    pub(super) fn change(
        &mut self,
        perm: Option<Perm>,
        action: Action,
        reply: Reply,
        verb: Verb,
        change: Change,
    ) {
        let event = SessionEvent::Changed { verb, change };
        self.ask(perm, action, Purpose::Change { reply, event });
    }
}
