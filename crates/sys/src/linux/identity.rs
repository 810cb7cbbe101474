//! Permanently becoming another user.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::ptr;

use super::credentials::{ActingAs, Credentials, SAME, can_act_as_others};
use super::fork::Fork;
use crate::call::{check, with_c_str};
use crate::children::{ChildEnd, exit_at_once};
use crate::users::{self, UserEntry};

/// A user and groups that a process can become.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity(Credentials);

impl Identity {
    /// Looks up a user and a group by name or number; without a group, the user's primary group is
    /// used. The supplementary groups are those that the user is a member of.
    ///
    /// May wait for a directory service.
    ///
    /// # Errors
    ///
    /// `NotFound`, naming the unknown user or group; other errors if the lookup fails.
    /// `InvalidInput` for root, with which nothing would be given up, and for the ID that means
    /// "unchanged" to the system.
    pub fn find(user: &str, group: Option<&str>) -> io::Result<Self> {
        let problem = |kind, problem: String| io::Error::new(kind, problem);
        let unknown = |what: &str| problem(io::ErrorKind::NotFound, format!("no {what}"));
        let failed = |what: &str, error: io::Error| {
            problem(error.kind(), format!("{what} cannot be looked up: {error}"))
        };
        let unusable =
            |what: &str, why: &str| problem(io::ErrorKind::InvalidInput, format!("{what} {why}"));
        const NUMBERLESS: &str = "has a number that stands for none";
        let named = format!("user {user:?}");
        let found = users::find_user(user).map_err(|error| failed(&named, error))?;
        let UserEntry { uid, gid, name } = found.ok_or_else(|| unknown(&named))?;
        match uid {
            0 => return Err(unusable(&named, "is root")),
            SAME => return Err(unusable(&named, NUMBERLESS)),
            _ => {}
        }
        let gid = match group {
            None => gid,
            Some(group) => {
                let named = format!("group {group:?}");
                let found = users::find_group(group).map_err(|error| failed(&named, error))?;
                found.ok_or_else(|| unknown(&named))?
            }
        };
        if gid == SAME {
            let named = group.map_or_else(
                || format!("group of {named}"),
                |group| format!("group {group:?}"),
            );
            return Err(unusable(&named, NUMBERLESS));
        }
        let groups = name.map_or_else(|| Ok(vec![gid]), |name| users::groups_of(&name, gid))?;
        Ok(Self(Credentials::new(uid, gid, kept_groups(groups, gid))))
    }

    /// The user ID.
    pub fn uid(&self) -> u32 {
        self.0.uid
    }

    /// Whether the user may write to the file at `path`, or could grant itself that right.
    /// `metadata` is the file's. An access control list that lets anyone write counts: it may name
    /// this user.
    pub fn may_write_to(&self, path: &Path, metadata: &Metadata) -> bool {
        let may = |bit| metadata.mode() & bit != 0;
        let is_member = || self.0.gid == metadata.gid() || self.0.groups.contains(&metadata.gid());
        // With an access control list, the group bit applies to all users and groups that the list
        // names.
        self.0.uid == metadata.uid()
            || may(libc::S_IWOTH)
            || (may(libc::S_IWGRP) && (is_member() || has_access_list(path)))
    }

    /// Makes this process, which runs as root, run as the user: sets all user and group IDs, and
    /// drops all capabilities for good. It cannot regain any, not even by running a program that
    /// has them.
    ///
    /// # Errors
    ///
    /// The error of the calls, usually `PermissionDenied` for a process that does not run as root.
    /// Also `PermissionDenied` if all calls succeeded but the resulting IDs are wrong. The process
    /// must not continue after an error: some of the changes may have happened.
    pub fn assume(&self) -> io::Result<()> {
        let (uid, gid, groups) = (self.0.uid, self.0.gid, &*self.0.groups);
        // SAFETY: the list is live and readable for the call, and has the given length.
        check(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) })?;
        // SAFETY: takes no pointer.
        check(unsafe { libc::setresgid(gid, gid, gid) })?;
        // SAFETY: takes no pointer.
        check(unsafe { libc::setresuid(uid, uid, uid) })?;
        drop_capabilities()?;
        // SAFETY: takes no pointer; the arguments are those that this option requires.
        check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
        self.verify()
    }

    /// Makes this thread, which runs as root, act as the user until the result is dropped, without
    /// root's capabilities; see [`Credentials::assume_in_thread`].
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if the process lacks the rights, or would keep capabilities.
    pub fn assume_in_thread(&self) -> io::Result<ActingAs> {
        if !can_act_as_others() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.0.assume_in_thread()
    }

    /// Checks whether this process may become any user: it must run as root and have the necessary
    /// capabilities, which root in a container may lack.
    ///
    /// # Errors
    ///
    /// The reason why not, as a phrase about the program.
    pub fn may_be_assumed() -> Result<(), &'static str> {
        match (is_root(), may_change_users()) {
            (true, true) => Ok(()),
            (true, false) => Err("lacks the capabilities CAP_SETGID and CAP_SETUID"),
            (false, _) => Err("is not root's"),
        }
    }

    /// Tries to become this user in a child process, which then exits. Some obstacles show only
    /// then: IDs that are not mapped in a user namespace, or filtered system calls.
    ///
    /// # Errors
    ///
    /// As for [`assume`](Self::assume), and for [`fork`](crate::fork).
    pub fn try_out(&self) -> io::Result<()> {
        let mut child = match super::fork()? {
            Fork::Parent(child) => child,
            Fork::Child => exit_at_once(match self.assume() {
                Ok(()) => 0,
                Err(error) => error.raw_os_error().unwrap_or(libc::EPERM),
            }),
        };
        match child.wait() {
            Ok(ChildEnd::Code(0)) => Ok(()),
            Ok(ChildEnd::Code(number)) => Err(io::Error::from_raw_os_error(number)),
            Ok(end @ ChildEnd::Signal(_)) => Err(io::Error::other(format!("ended by {end}"))),
            Err(error) => Err(error),
        }
    }

    /// Checks which user the process now runs as.
    fn verify(&self) -> io::Result<()> {
        let (mut real, mut effective, mut saved) = (0, 0, 0);
        let places = (&raw mut real, &raw mut effective, &raw mut saved);
        // SAFETY: three live, writable places owned by this frame.
        check(unsafe { libc::getresuid(places.0, places.1, places.2) })?;
        let users = [real, effective, saved];
        // SAFETY: as above.
        check(unsafe { libc::getresgid(places.0, places.1, places.2) })?;
        let groups = [real, effective, saved];
        // SAFETY: takes no pointer. The call should fail, and then changes nothing.
        let back = unsafe { libc::setuid(0) };
        if users != [self.0.uid; 3] || groups != [self.0.gid; 3] || back == 0 {
            let problem = "the system did not give up root";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem));
        }
        Ok(())
    }
}

/// What is kept of the `groups` of a user whose own is `gid`. A member of root's group could read
/// files that are for root only.
fn kept_groups(mut groups: Vec<u32>, gid: u32) -> Vec<u32> {
    groups.retain(|&id| id != 0 || gid == 0);
    groups
}

/// Whether the file has an access control list, or may have one.
pub fn has_access_list(path: &Path) -> bool {
    let size = with_c_str(path.as_os_str().as_bytes(), |path| {
        let (name, no_buffer) = (c"system.posix_acl_access", ptr::null_mut());
        // SAFETY: both names end with a NUL and outlive the call, which only queries the size.
        check(unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), no_buffer, 0) })
    });
    let has_none =
        |error: &io::Error| matches!(error.raw_os_error(), Some(libc::ENODATA | libc::EOPNOTSUPP));
    !size.is_err_and(|error| has_none(&error))
}

/// Whether this process, or this thread if it acts as another user, runs as root.
pub fn is_root() -> bool {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Returns the lowest port that this process may bind; with `without_root`, the lowest that it
/// could bind after [giving up](Identity::assume) its capabilities.
pub fn lowest_port(without_root: bool) -> u16 {
    const CAP_NET_BIND_SERVICE: u32 = 1 << 10;
    let may_bind_all = || effective_capabilities().is_ok_and(|has| has & CAP_NET_BIND_SERVICE != 0);
    if !without_root && may_bind_all() {
        return 1;
    }
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    // Older systems have no such file.
    first.map_or(1024, |first| first.trim().parse().unwrap_or(1024))
}

/// The header for the capability calls: version 3, in which each set has two words; this thread.
const CAPABILITY_HEADER: [u32; 2] = [0x2008_0522, 0];

/// Whether this thread has the capabilities needed to become another user.
pub(super) fn may_change_users() -> bool {
    /// The capabilities 6 and 7, for groups and for users.
    const CAP_SETGID_SETUID: u32 = 1 << 6 | 1 << 7;
    effective_capabilities().is_ok_and(|has| has & CAP_SETGID_SETUID == CAP_SETGID_SETUID)
}

/// The first 32 of this thread's effective capabilities.
fn effective_capabilities() -> io::Result<u32> {
    let mut header = CAPABILITY_HEADER;
    let mut sets = [0u32; 6];
    // SAFETY: the call reads a header of two 32-bit words (version; 0 for this thread), into which
    // it writes the version that it knows if the given one is another. In this version it writes
    // the three sets twice, one word each. Both arrays are live, writable and owned by this frame.
    check(unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) })?;
    Ok(sets[0])
}

/// Empties the effective, permitted and inheritable sets, and with them the ambient one. Becoming
/// another user empties only the first two, and not if the process was told to keep them.
fn drop_capabilities() -> io::Result<()> {
    let header = CAPABILITY_HEADER;
    let sets = [0u32; 6];
    // SAFETY: the call reads a header of two 32-bit words (version; 0 for this process) and, in
    // this version, the three sets twice, one word each. Both are live and owned by this frame.
    let returned =
        unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), ptr::from_ref(&sets)) };
    check(returned)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Owner, the user with ID 7, group, mask and others; the user and the mask may write.
    const ACCESS_LIST: &[u8] = b"\x02\0\0\0\
        \x01\0\x07\0\xff\xff\xff\xff\
        \x02\0\x07\0\x07\0\0\0\
        \x04\0\x05\0\xff\xff\xff\xff\
        \x10\0\x07\0\xff\xff\xff\xff\
        \x20\0\x05\0\xff\xff\xff\xff";

    fn someone(uid: u32, groups: &[u32]) -> Identity {
        Identity(Credentials::new(uid, SAME - 1, groups.to_vec()))
    }

    #[track_caller]
    fn check_problem(user: &str, group: Option<&str>, expected: &str) {
        let error = Identity::find(user, group).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn who_is_unknown_or_root_is_told() {
        check_problem("nosuchuser-x", None, "no user \"nosuchuser-x\"");
        check_problem(
            "nobody",
            Some("nosuchgroup-x"),
            "no group \"nosuchgroup-x\"",
        );
        check_problem("root", None, "user \"root\" is root");
        check_problem("0", None, "user \"0\" is root");
        for (user, group, expected) in [
            (
                "4294967295",
                None,
                "user \"4294967295\" has a number that stands for none",
            ),
            (
                "nobody",
                Some("4294967295"),
                "group \"4294967295\" has a number that stands for none",
            ),
        ] {
            check_problem(user, group, expected);
        }
        check_problem("", None, "no user \"\"");
        check_problem("no\0body", None, "no user \"no\\0body\"");
    }

    #[test]
    fn names_and_numbers_are_understood() {
        let nobody = Identity::find("nobody", None).unwrap();
        assert_ne!(nobody.uid(), 0);
        let number = nobody.uid().to_string();
        assert_eq!(Identity::find(&number, None).unwrap(), nobody);
        let unnamed = Identity::find("4000000123", Some("4000000124")).unwrap();
        let expected = Credentials::new(4_000_000_123, 4_000_000_124, vec![4_000_000_124]);
        assert_eq!(unnamed.0, expected);
    }

    #[test]
    fn roots_group_is_left_out_unless_it_is_the_users_own() {
        for (gid, groups, kept) in [
            (7, &[7, 0, 8][..], &[7, 8][..]),
            (7, &[0], &[]),
            (0, &[0, 8], &[0, 8]),
        ] {
            assert_eq!(kept_groups(groups.to_vec(), gid), kept, "{gid} {groups:?}");
        }
    }

    #[test]
    fn users_may_write_as_owner_group_or_others() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path();
        let owner = fs::metadata(path).unwrap();
        let (uid, gid) = (owner.uid(), owner.gid());
        for (mode, user, may) in [
            (0o500, someone(uid, &[]), true),
            (0o755, someone(uid + 1, &[gid]), false),
            (0o775, someone(uid + 1, &[gid]), true),
            (0o775, someone(uid + 1, &[gid + 1]), false),
            (0o757, someone(uid + 1, &[]), true),
        ] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            let metadata = fs::metadata(path).unwrap();
            assert_eq!(user.may_write_to(path, &metadata), may, "{mode:o} {user:?}");
        }
    }

    #[test]
    fn users_may_write_where_an_access_list_permits_it() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        let given = with_c_str(path.as_os_str().as_bytes(), |path| {
            let (name, value) = (c"system.posix_acl_access", ACCESS_LIST);
            let (data, size) = (value.as_ptr().cast(), value.len());
            // SAFETY: the names end with a NUL, `data` is readable for `size` bytes, and all
            // outlive the call.
            check(unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), data, size, 0) })
        });
        match given {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => return,
            given => given.unwrap(),
        };
        let metadata = fs::metadata(path).unwrap();
        assert!(someone(7, &[]).may_write_to(path, &metadata));
    }
}
