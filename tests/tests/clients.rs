//! The client matrix: every client over every address family and kind of data connection.
#![forbid(unsafe_code)]

use ftpdlib_tests::clients::{Curl, Family, Lftp, Mode, Ncftp, PythonFtplib, Tnftp, Wget, check};

/// A module for each client, with a test for each line.
macro_rules! matrix {
    ($($module:ident, $client:expr => { $($test:ident: $family:ident, $mode:ident;)* })*) => {$(
        mod $module {
            use super::*;
            $(
                #[test]
                fn $test() {
                    check(&$client, Family::$family, Mode::$mode);
                }
            )*
        }
    )*};
}

matrix! {
    curl, Curl => {
        passive_ipv4: V4, Passive;
        passive_ipv6: V6, Passive;
        active_ipv4: V4, Active;
        active_ipv6: V6, Active;
    }
    lftp, Lftp => {
        passive_ipv4: V4, Passive;
        passive_ipv6: V6, Passive;
        active_ipv4: V4, Active;
        active_ipv6: V6, Active;
    }
    ncftp, Ncftp => {
        passive_ipv4: V4, Passive;
        active_ipv4: V4, Active;
    }
    python_ftplib, PythonFtplib => {
        passive_ipv4: V4, Passive;
        passive_ipv6: V6, Passive;
        active_ipv4: V4, Active;
        active_ipv6: V6, Active;
    }
    tnftp, Tnftp => {
        passive_ipv4: V4, Passive;
        passive_ipv6: V6, Passive;
        active_ipv4: V4, Active;
        active_ipv6: V6, Active;
    }
    wget, Wget => {
        passive_ipv4: V4, Passive;
        passive_ipv6: V6, Passive;
        active_ipv4: V4, Active;
        active_ipv6: V6, Active;
    }
}
