//! Impersonation of a user by a single thread.

use std::io::{self, Write};
use std::marker::PhantomData;
use std::process;

use super::identity::may_change_users;
use crate::call::check;
use crate::users::{self, UserRecord};

/// The system calls themselves: the C library's functions would change all threads of the process.
#[cfg(not(any(target_arch = "arm", target_arch = "sparc", target_arch = "x86")))]
use libc::{SYS_setgroups, SYS_setresgid, SYS_setresuid};
/// On these processors, the calls without a suffix take IDs of 16 bits.
#[cfg(any(target_arch = "arm", target_arch = "sparc", target_arch = "x86"))]
use libc::{
    SYS_setgroups32 as SYS_setgroups, SYS_setresgid32 as SYS_setresgid,
    SYS_setresuid32 as SYS_setresuid,
};

/// The ID that means "unchanged" in these calls.
pub(super) const SAME: u32 = u32::MAX;

/// The IDs of a user and of the groups that the user is a member of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) groups: Box<[u32]>,
}

impl Credentials {
    /// Returns the IDs of a system user.
    ///
    /// May wait for a directory service.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for IDs that the system cannot switch to; other errors if the lookup of the
    /// groups fails.
    pub fn of(user: &UserRecord) -> io::Result<Self> {
        let (uid, gid) = (user.uid, user.gid);
        if uid == SAME || gid == SAME {
            let problem = "a user or group of this number cannot be taken on";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        Ok(Self::new(uid, gid, users::groups_of(&user.name, gid)?))
    }

    pub(super) fn new(uid: u32, gid: u32, mut groups: Vec<u32>) -> Self {
        // The order in which the system returns them.
        groups.sort_unstable();
        groups.dedup();
        Self {
            uid,
            gid,
            groups: groups.into(),
        }
    }

    /// Makes this thread act as the user until the result is dropped. Other threads are not
    /// affected.
    ///
    /// This changes the effective IDs, which also drops root's effective capabilities. The real and
    /// saved IDs stay root's, so that the change can be undone, and so that the user's processes
    /// cannot send signals to this one.
    ///
    /// A thread started meanwhile keeps acting as the user in the same way. A program does not: its
    /// real ID is root's, so it can become root again at any time, and a shell does so at once. To
    /// start a program, set all of the user's IDs with [`Command::uid`] and the like, from a thread
    /// that runs as root.
    ///
    /// [`Command::uid`]: std::os::unix::process::CommandExt::uid
    ///
    /// # Errors
    ///
    /// The error of the calls, usually `PermissionDenied` for a thread that does not run as root.
    /// In that case nothing has changed.
    pub fn assume_in_thread(&self) -> io::Result<ActingAs> {
        let before = Self::of_thread()?;
        let mut acting = ActingAs {
            before: None,
            of_this_thread: PhantomData,
        };
        if before == *self {
            // The thread acts as this user already.
            return Ok(acting);
        }
        set_groups(&self.groups)?;
        // From here on, dropping `acting` restores what has changed, even if a call fails.
        acting.before = Some(before);
        set_group(self.gid)?;
        set_user(self.uid)?;
        Ok(acting)
    }

    /// The current credentials of this thread.
    fn of_thread() -> io::Result<Self> {
        // SAFETY: takes nothing and cannot fail.
        let uid = unsafe { libc::geteuid() };
        // SAFETY: as above.
        let gid = unsafe { libc::getegid() };
        let groups = groups()?.into();
        Ok(Self { uid, gid, groups })
    }

    fn put_back(&self) -> io::Result<()> {
        // The user first: only root may change the others.
        let user = set_user(self.uid);
        let group = set_group(self.gid);
        let groups = set_groups(&self.groups);
        user.and(group).and(groups).or_else(|error| {
            // A call that the system always refuses has not changed anything before, either.
            match Self::of_thread()? == *self {
                true => Ok(()),
                false => Err(error),
            }
        })
    }
}

/// Makes the thread act as another user while this value lives. The value cannot leave its thread.
#[derive(Debug)]
#[must_use = "the thread goes back when it is dropped"]
pub struct ActingAs {
    /// `None` if there is nothing to restore.
    before: Option<Credentials>,
    of_this_thread: PhantomData<*const ()>,
}

impl Drop for ActingAs {
    /// Restores the previous user. If that fails, the process aborts: the thread would otherwise
    /// serve other clients as this user.
    fn drop(&mut self) {
        let Some(before) = self.before.take() else {
            return;
        };
        if let Err(error) = before.put_back() {
            // The process aborts in any case.
            let _ = writeln!(io::stderr(), "cannot stop acting as a user: {error}");
            process::abort();
        }
    }
}

/// Whether threads of this process can act as other users, and drop root's capabilities meanwhile.
/// Root in a container may not be able to.
pub fn can_act_as_others() -> bool {
    /// With this bit, capabilities are kept when the IDs change.
    const NO_SETUID_FIXUP: libc::c_int = 1 << 2;
    // SAFETY: takes no pointer; the option has no arguments.
    let bits = unsafe { libc::prctl(libc::PR_GET_SECUREBITS, 0, 0, 0, 0) };
    let gives_up = bits >= 0 && bits & NO_SETUID_FIXUP == 0;
    super::is_root() && gives_up && may_change_users()
}

fn set_user(uid: u32) -> io::Result<()> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::syscall(SYS_setresuid, SAME, uid, SAME) })?;
    Ok(())
}

fn set_group(gid: u32) -> io::Result<()> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::syscall(SYS_setresgid, SAME, gid, SAME) })?;
    Ok(())
}

fn set_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: the list is live and readable for the call, and has the given length.
    check(unsafe { libc::syscall(SYS_setgroups, groups.len(), groups.as_ptr()) })?;
    Ok(())
}

/// The supplementary groups of this thread.
fn groups() -> io::Result<Vec<u32>> {
    let mut groups = vec![0; 32];
    loop {
        let count = libc::c_int::try_from(groups.len()).unwrap_or(libc::c_int::MAX);
        // SAFETY: the list is live and writable for the call, and has `count` entries.
        match check(unsafe { libc::getgroups(count, groups.as_mut_ptr()) }) {
            Ok(found) => {
                groups.truncate(usize::try_from(found).unwrap_or(0));
                return Ok(groups);
            }
            // There are more groups than fit.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && groups.len() < 1 << 17 => {
                groups.resize(groups.len() * 8, 0);
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use crate::linux::sandbox::{Refused, run_without};

    use super::*;

    /// The real, effective, saved and filesystem IDs of this thread.
    fn numbers(of: &str) -> String {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(of));
        line.unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn somebody() -> Credentials {
        Credentials {
            uid: 4_000_000_123,
            gid: 4_000_000_124,
            groups: [4_000_000_125, 4_000_000_126].into(),
        }
    }

    /// Whether this process may become `somebody`. In a user namespace that does not map the ID,
    /// not even root may.
    fn is_somebody_here() -> bool {
        if !can_act_as_others() {
            return false;
        }
        match somebody().assume_in_thread() {
            Ok(_acting) => true,
            Err(error)
                if [libc::EINVAL, libc::EPERM]
                    .map(Some)
                    .contains(&error.raw_os_error()) =>
            {
                eprintln!("skipped: there is no user 4000000123 to act as here: {error}");
                false
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[track_caller]
    fn check_denied<T>(outcome: io::Result<T>) {
        let kind = outcome.err().map(|error| error.kind());
        assert_eq!(kind, Some(io::ErrorKind::PermissionDenied));
    }

    #[test]
    fn one_thread_acts_as_another_user_and_goes_back() {
        if !can_act_as_others() {
            // In that case nothing has changed.
            let before = numbers("Groups:");
            if !super::super::is_root() {
                check_denied(somebody().assume_in_thread());
            }
            assert_eq!(numbers("Groups:"), before);
            return;
        }
        if !is_somebody_here() {
            return;
        }
        let fields = ["Uid:", "Gid:", "Groups:", "CapEff:"];
        let before = fields.map(numbers);
        let acting = somebody().assume_in_thread().unwrap();
        assert_eq!(numbers("Uid:"), "0 4000000123 0 4000000123");
        assert_eq!(numbers("Gid:"), "0 4000000124 0 4000000124");
        assert_eq!(numbers("Groups:"), "4000000125 4000000126");
        assert_eq!(numbers("CapEff:"), "0000000000000000");
        check_denied(fs::read("/proc/1/environ"));
        drop(acting);
        assert_eq!(fields.map(numbers), before);
    }

    #[test]
    fn other_threads_stay_what_they_are() {
        if !is_somebody_here() {
            return;
        }
        let before = numbers("Uid:");
        thread::scope(|scope| {
            let (tell, told) = std::sync::mpsc::channel();
            let (end, ended) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || {
                let acting = somebody().assume_in_thread().unwrap();
                tell.send(()).unwrap();
                let _ = ended.recv();
                drop(acting);
            });
            told.recv().unwrap();
            assert_eq!(numbers("Uid:"), before);
            drop(end);
        });
    }

    #[test]
    fn a_panic_ends_it_too() {
        if !is_somebody_here() {
            return;
        }
        let before = numbers("Uid:");
        let panicked = std::panic::catch_unwind(|| {
            let _acting = somebody().assume_in_thread().unwrap();
            panic!("of the test");
        });
        assert!(panicked.is_err());
        assert_eq!(numbers("Uid:"), before);
    }

    #[test]
    fn who_acts_as_a_user_takes_on_nobody_else() {
        if !is_somebody_here() {
            return;
        }
        let acting = somebody().assume_in_thread().unwrap();
        let during = ["Uid:", "Gid:", "Groups:"].map(numbers);
        let other = Credentials {
            uid: 4_000_000_001,
            ..somebody()
        };
        check_denied(other.assume_in_thread());
        drop(somebody().assume_in_thread().unwrap());
        assert_eq!(["Uid:", "Gid:", "Groups:"].map(numbers), during);
        drop(acting);
        assert!(numbers("Uid:").starts_with("0 0 "));
    }

    #[test]
    fn a_change_of_user_that_a_sandbox_refused_halfway_ended_the_process() {
        if !is_somebody_here() {
            return;
        }
        for call in [SYS_setgroups, SYS_setresgid, SYS_setresuid] {
            run_without(Refused(call, None), libc::EPERM, || {
                let fields = ["Uid:", "Gid:", "Groups:", "CapEff:"];
                let before = fields.map(numbers);
                check_denied(somebody().assume_in_thread());
                assert_eq!(fields.map(numbers), before);
            });
        }
    }

    #[test]
    fn numbers_that_mean_no_change_are_refused() {
        let user = UserRecord {
            name: "x".into(),
            uid: SAME,
            gid: 1,
            home: "/".into(),
            shell: "".into(),
        };
        assert!(Credentials::of(&user).is_err());
        let of_group = UserRecord {
            uid: 1,
            gid: SAME,
            ..user
        };
        assert!(Credentials::of(&of_group).is_err());
    }
}
