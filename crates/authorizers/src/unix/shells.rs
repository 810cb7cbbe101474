//! The shells with which users may log in.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The list of valid shells (shells(5)).
const LIST: &str = "/etc/shells";

/// The shell that an empty field of the user database stands for.
const DEFAULT: &str = "/bin/sh";

/// Whether the system's list contains `shell`. Without a list, every shell is valid, as in
/// pyftpdlib; if the list cannot be read, none is.
pub(super) fn is_valid(shell: &Path) -> bool {
    match fs::read(LIST) {
        Ok(list) => lists(&list, shell),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => {
            log::error!("cannot read {LIST}: {error}");
            false
        }
    }
}

fn lists(list: &[u8], shell: &Path) -> bool {
    let shell = match shell.as_os_str().as_bytes() {
        b"" => DEFAULT.as_bytes(),
        shell => shell,
    };
    let lines = list.split(|&byte| byte == b'\n');
    let mut shells = lines.map(|line| {
        let comment = line.iter().position(|&byte| byte == b'#');
        line[..comment.unwrap_or(line.len())].trim_ascii()
    });
    shell.starts_with(b"/") && shells.any(|listed| listed == shell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &str, shell: &str, expected: bool) {
        let got = lists(list.as_bytes(), Path::new(shell));
        assert_eq!(got, expected, "{shell:?} in {list:?}");
    }

    #[test]
    fn shells_are_lines_of_the_list() {
        let list = "# /etc/shells: valid login shells\n/bin/sh\n \t/bin/bash \n\n\
                    /bin/zsh # not everywhere\n#/bin/ksh\n/usr/bin/fish";
        check(list, "/bin/sh", true);
        check(list, "/bin/bash", true);
        check(list, "/bin/zsh", true);
        check(list, "/usr/bin/fish", true);
        check(list, "/bin/ksh", false);
        check(list, "/bin", false);
        check(list, "/bin/shh", false);
        check(list, "/usr/sbin/nologin", false);
        check(list, "# /etc/shells: valid login shells", false);
    }

    #[test]
    fn no_shell_is_the_usual_one() {
        check("/bin/bash\n/bin/sh\n", "", true);
        check("/bin/bash\n\n", "", false);
        check("", "", false);
        check("nologin\n", "nologin", false);
    }

    #[test]
    fn lines_may_end_as_elsewhere() {
        check("/bin/sh\r\n", "/bin/sh", true);
    }
}
