//! Commands that set times and modes: MFMT, MFF, MDTM with a time, SITE UTIME, SITE CHMOD.

use ftpdlib_proto::{CivilTime, FactChange, Reply, Verb, VirtualPath};

use super::Session;
use super::pending::Purpose;
use crate::{Action, Change};

impl<P> Session<P> {
    /// MFMT.
    pub(super) fn mfmt(&mut self, time: CivilTime, name: &[u8]) -> Result<(), Reply> {
        let path = self.resolve(name)?;
        let value = time_value(time);
        let text = [b"Modify=", value.as_bytes(), b"; ", name].concat();
        let reply = Reply::bytes(213, text);
        let time = self.config.zone.unix(time);
        self.set_time(Verb::Mfmt, path, time, reply);
        Ok(())
    }

    /// MFF.
    pub(super) fn mff(&mut self, change: FactChange, name: &[u8]) -> Result<(), Reply> {
        let path = self.resolve(name)?;
        let mut text = Vec::new();
        if let Some(time) = change.modify {
            text.extend_from_slice(format!("Modify={};", time_value(time)).as_bytes());
        }
        if let Some(mode) = change.unix_mode {
            text.extend_from_slice(format!("UNIX.mode={mode:04o};").as_bytes());
        }
        text.push(b' ');
        text.extend_from_slice(name);
        let modified = change.modify.map(|time| self.config.zone.unix(time));
        let mode = change.unix_mode;
        let change = Change::SetFacts {
            path,
            modified,
            mode,
        };
        self.change(Verb::Mff, change, Reply::bytes(213, text));
        Ok(())
    }

    /// MDTM with a time before the name. If there is a file that has the whole argument as its
    /// name, its time is shown instead, as MDTM is defined.
    pub(super) fn mdtm_set(
        &mut self,
        time: CivilTime,
        name: &[u8],
        whole: &[u8],
    ) -> Result<(), Reply> {
        let time = self.config.zone.unix(time);
        if name.split(|&byte| byte == b'/').any(|part| part == b"..") {
            // No file has such a name: normalising it would remove the time, too.
            let path = self.resolve(name)?;
            self.set_time_instead(path, time);
            return Ok(());
        }
        let whole = self.resolve(whole)?;
        let path = self.resolve(name)?;
        let action = Action::Stat(whole.clone());
        let purpose = Purpose::ModifiedOrSet { whole, path, time };
        self.ask(Verb::Mdtm, action, purpose);
        Ok(())
    }

    /// Sets the time, as no file has the whole argument of MDTM as its name.
    pub(super) fn set_time_instead(&mut self, path: VirtualPath, time: i64) {
        if !self.ending.may_reply() {
            return;
        }
        let reply = Reply::new(213, "File modification time set.");
        self.set_time(Verb::Mdtm, path, time, reply);
    }

    /// SITE UTIME.
    pub(super) fn site_utime(
        &mut self,
        time: CivilTime,
        utc: bool,
        name: &[u8],
    ) -> Result<(), Reply> {
        let path = self.resolve(name)?;
        let time = if utc {
            time.to_unix()
        } else {
            self.config.zone.unix(time)
        };
        let reply = Reply::new(200, "SITE UTIME successful.");
        self.set_time(Verb::SiteUtime, path, time, reply);
        Ok(())
    }

    /// SITE CHMOD.
    pub(super) fn site_chmod(&mut self, mode: u32, name: &[u8]) -> Result<(), Reply> {
        let path = self.resolve(name)?;
        let reply = Reply::new(200, "SITE CHMOD successful.");
        let change = Change::SetFacts {
            path,
            modified: None,
            mode: Some(mode),
        };
        self.change(Verb::SiteChmod, change, reply);
        Ok(())
    }

    fn set_time(&mut self, verb: Verb, path: VirtualPath, time: i64, reply: Reply) {
        let change = Change::SetFacts {
            path,
            modified: Some(time),
            mode: None,
        };
        self.change(verb, change, reply);
    }
}

/// Formats a time as `YYYYMMDDHHMMSS` (RFC 3659 §2.3).
pub(super) fn time_value(time: CivilTime) -> String {
    let mut value = Vec::with_capacity(14);
    time.format_compact(&mut value);
    String::from_utf8_lossy(&value).into_owned()
}
