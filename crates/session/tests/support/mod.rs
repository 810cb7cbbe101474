//! What the tests of the session share.

use ftpdlib_proto::{Perms, VirtualPath};
use ftpdlib_session::LoginFacts;

/// Who may do everything, and starts in the root.
pub(crate) fn facts() -> LoginFacts {
    LoginFacts {
        username: "u".into(),
        msg_login: "hello".into(),
        msg_quit: "bye".into(),
        start_dir: VirtualPath::root(),
        encoding: None,
        perms: Perms::ALL,
    }
}
