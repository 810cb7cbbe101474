//! Names and files: CWD, CDUP, PWD, MKD, RMD, DELE, RNFR, RNTO, SIZE, MDTM, MLST, AVBL, SITE
//! SYMLINK (RFC 959 §4.1.3, RFC 3659).

use ftpdlib_proto::{FileKind, Metadata, Reply, TransferType, Verb, VirtualPath};

use super::Session;
use super::attributes::time_value;
use super::pending::Purpose;
use crate::{Action, Change};

/// What a command selected for the command after it.
#[derive(Debug)]
pub(super) enum Selected {
    /// By RNFR.
    Rename(VirtualPath),
    /// By CPFR.
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
    pub(super) fn cwd(&mut self, name: &[u8]) -> Result<(), Reply> {
        let path = self.resolve(name)?;
        self.change_directory(path);
        Ok(())
    }

    /// CDUP: the root is its own parent.
    pub(super) fn cdup(&mut self) {
        let parent = self.working_directory.parent();
        self.change_directory(parent.unwrap_or_else(VirtualPath::root));
    }

    /// The target of CWD or CDUP is a directory that the user may enter.
    pub(super) fn directory_changed(&mut self, path: VirtualPath) {
        let suffix = "is the current directory.";
        self.reply(Reply::quoted(250, path.as_bytes(), suffix));
        self.working_directory = path;
    }

    /// MKD.
    pub(super) fn mkd(&mut self, name: &[u8]) -> Result<(), Reply> {
        let path = self.resolve(name)?;
        let reply = Reply::quoted(257, path.as_bytes(), "directory created.");
        self.make_directory(path, reply)
    }

    /// SITE MKDIR: the same as MKD, with another reply.
    pub(super) fn site_mkdir(&mut self, name: &[u8]) -> Result<(), Reply> {
        let path = self.resolve(name)?;
        self.make_directory(path, Reply::new(200, "SITE MKDIR successful."))
    }

    /// RMD.
    pub(super) fn rmd(&mut self, name: &[u8]) -> Result<(), Reply> {
        let path = self.resolve(name)?;
        self.remove_directory(path, Reply::new(250, "Directory removed."))
    }

    /// SITE RMDIR: the same as RMD, with another reply.
    pub(super) fn site_rmdir(&mut self, name: &[u8]) -> Result<(), Reply> {
        let path = self.resolve(name)?;
        self.remove_directory(path, Reply::new(200, "SITE RMDIR successful."))
    }

    /// DELE.
    pub(super) fn dele(&mut self, name: &[u8]) -> Result<(), Reply> {
        let path = self.resolve(name)?;
        let reply = Reply::new(250, "File removed.");
        self.change(Verb::Dele, Change::Remove(path), reply);
        Ok(())
    }

    /// RNFR.
    pub(super) fn rnfr(&mut self, name: &[u8]) -> Result<(), Reply> {
        let path = self.resolve(name)?;
        if path.is_root() {
            return Err(Reply::new(550, "Can't rename home directory."));
        }
        let action = Action::Exists(path.clone());
        self.ask(Verb::Rnfr, action, Purpose::RenameFrom(path));
        Ok(())
    }

    /// The path that RNFR named exists.
    pub(super) fn rename_selected(&mut self, path: VirtualPath) {
        self.selected = Some(Selected::Rename(path));
        self.reply(Reply::new(350, "Ready for destination name."));
    }

    /// RNTO: has to follow RNFR at once (RFC 959 §4.1.3), apart from NOOP.
    pub(super) fn rnto(&mut self, selected: Option<Selected>, name: &[u8]) -> Result<(), Reply> {
        let Some(Selected::Rename(from)) = selected else {
            let text = "Bad sequence of commands: use RNFR first.";
            return Err(Reply::new(503, text));
        };
        let to = self.resolve(name)?;
        let reply = Reply::new(250, "Renaming ok.");
        self.change(Verb::Rnto, Change::Rename { from, to }, reply);
        Ok(())
    }

    /// SIZE: the number of bytes on the data connection, which is unknown in ASCII type
    /// (RFC 3659 §4).
    pub(super) fn size(&mut self, name: &[u8]) -> Result<(), Reply> {
        if self.parameters.transfer_type == TransferType::Ascii {
            return Err(Reply::new(550, "SIZE not allowed in ASCII mode."));
        }
        let path = self.resolve(name)?;
        let action = Action::Stat(path.clone());
        self.ask(Verb::Size, action, Purpose::Size(path));
        Ok(())
    }

    /// MDTM.
    pub(super) fn mdtm(&mut self, name: &[u8]) -> Result<(), Reply> {
        let path = self.resolve(name)?;
        let action = Action::Stat(path.clone());
        self.ask(Verb::Mdtm, action, Purpose::Modified(path));
        Ok(())
    }

    /// Answers MDTM.
    pub(super) fn reply_with_time(&mut self, path: &VirtualPath, metadata: &Metadata) {
        let zone = self.config.zone;
        self.reply_about_file(path, metadata, |metadata| {
            time_value(zone.civil(metadata.modified))
        });
    }

    /// Answers SIZE or MDTM, which are for regular files only (RFC 3659 §3.1, §4.1).
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
    pub(super) fn mlst(&mut self, name: Option<&[u8]>) -> Result<(), Reply> {
        let path = self.resolve(name.unwrap_or_default())?;
        let facts = self.parameters.facts;
        let action = Action::FactLine { path, facts };
        self.ask(Verb::Mlst, action, Purpose::FactLine);
        Ok(())
    }

    /// AVBL.
    pub(super) fn avbl(&mut self, name: Option<&[u8]>) -> Result<(), Reply> {
        let path = self.resolve(name.unwrap_or_default())?;
        self.ask(Verb::Avbl, Action::AvailableSpace(path), Purpose::Space);
        Ok(())
    }

    /// SITE SYMLINK.
    pub(super) fn site_symlink(&mut self, target: &[u8], link: &[u8]) -> Result<(), Reply> {
        let target = self.resolve(target)?;
        let link = self.resolve(link)?;
        let reply = Reply::new(200, "SITE SYMLINK successful.");
        self.change(Verb::SiteSymlink, Change::Symlink { target, link }, reply);
        Ok(())
    }

    fn make_directory(&mut self, path: VirtualPath, reply: Reply) -> Result<(), Reply> {
        if path.is_root() {
            return Err(Reply::new(550, "Directory already exists."));
        }
        self.change(Verb::Mkd, Change::MakeDirectory(path), reply);
        Ok(())
    }

    fn remove_directory(&mut self, path: VirtualPath, reply: Reply) -> Result<(), Reply> {
        if path.is_root() {
            return Err(Reply::new(550, "Can't remove root directory."));
        }
        self.change(Verb::Rmd, Change::RemoveDirectory(path), reply);
        Ok(())
    }

    fn change_directory(&mut self, path: VirtualPath) {
        let action = Action::ChangeDirectory(path.clone());
        self.ask(Verb::Cwd, action, Purpose::ChangeDirectory(path));
    }

    /// Asks for a job that makes a `change` for `verb`, and answers its success with `reply`.
    pub(super) fn change(&mut self, verb: Verb, change: Change, reply: Reply) {
        let action = Action::Change(change.clone());
        let purpose = Purpose::Change {
            verb,
            change,
            reply,
        };
        self.ask(verb, action, purpose);
    }

    /// Resolves a name from the working directory.
    pub(super) fn resolve(&self, name: &[u8]) -> Result<VirtualPath, Reply> {
        let path = self.working_directory.join(name);
        path.map_err(|error| Reply::new(501, format!("Invalid name: {error}.")))
    }
}
