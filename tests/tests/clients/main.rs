//! The client matrix: every client over every address family and kind of data connection.
#![forbid(unsafe_code)]

mod models;
mod suppaftp_client;

use ftpdlib_tests::clients::{
    Aioftp, BasicFtp, CommonsNet, Curl, Family, FtpSsl, Jsftp, Lftp, Mode, Ncftp, PythonFtplib,
    Rclone, Security, Tnftp, Wget, check,
};

use self::suppaftp_client::Suppaftp;

/// A module for each client, with a test for each line.
macro_rules! matrix {
    ($($module:ident, $client:expr => { $($test:ident: $family:ident, $mode:ident, $security:ident;)* })*) => {$(
        mod $module {
            use super::*;
            $(
                #[test]
                fn $test() {
                    check(&$client, Family::$family, Mode::$mode, Security::$security);
                }
            )*
        }
    )*};
}

// curl 7.87 and 7.88, which some systems have, never begin the handshake of a data connection that
// they have accepted (curl's issue 10666, mended in 8.0), and hang in active mode under TLS with
// any server; so that is left out.
matrix! {
    aioftp, Aioftp => {
        passive_ipv4: V4, Passive, Clear;
        passive_ipv6: V6, Passive, Clear;
    }
    basic_ftp, BasicFtp => {
        passive_ipv4: V4, Passive, Clear;
        passive_ipv6: V6, Passive, Clear;
        explicit_tls: V4, Passive, Explicit;
        explicit_tls_1_2: V4, Passive, ExplicitTls12;
        implicit_tls: V6, Passive, Implicit;
    }
    commons_net, CommonsNet => {
        explicit_tls: V4, Passive, Explicit;
        explicit_tls_1_2: V4, Passive, ExplicitTls12;
        implicit_tls: V6, Passive, Implicit;
        active_explicit_tls: V4, Active, Explicit;
    }
    curl, Curl => {
        passive_ipv4: V4, Passive, Clear;
        passive_ipv6: V6, Passive, Clear;
        active_ipv4: V4, Active, Clear;
        active_ipv6: V6, Active, Clear;
        explicit_tls: V4, Passive, Explicit;
        explicit_tls_1_2: V4, Passive, ExplicitTls12;
        implicit_tls: V6, Passive, Implicit;
    }
    ftp_ssl, FtpSsl => {
        passive_ipv4: V4, Passive, Clear;
        passive_ipv6: V6, Passive, Clear;
        active_ipv4: V4, Active, Clear;
        active_ipv6: V6, Active, Clear;
        explicit_tls: V4, Passive, Explicit;
        active_explicit_tls: V4, Active, Explicit;
    }
    jsftp, Jsftp => {
        passive_ipv4: V4, Passive, Clear;
    }
    lftp, Lftp => {
        passive_ipv4: V4, Passive, Clear;
        passive_ipv6: V6, Passive, Clear;
        active_ipv4: V4, Active, Clear;
        active_ipv6: V6, Active, Clear;
        explicit_tls: V4, Passive, Explicit;
        explicit_tls_1_2: V4, Passive, ExplicitTls12;
        implicit_tls: V6, Passive, Implicit;
        active_explicit_tls: V4, Active, Explicit;
    }
    ncftp, Ncftp => {
        passive_ipv4: V4, Passive, Clear;
        active_ipv4: V4, Active, Clear;
    }
    python_ftplib, PythonFtplib => {
        passive_ipv4: V4, Passive, Clear;
        passive_ipv6: V6, Passive, Clear;
        active_ipv4: V4, Active, Clear;
        active_ipv6: V6, Active, Clear;
        explicit_tls: V4, Passive, Explicit;
        explicit_tls_1_2: V4, Passive, ExplicitTls12;
        implicit_tls: V6, Passive, Implicit;
        active_explicit_tls: V4, Active, Explicit;
    }
    rclone, Rclone => {
        passive_ipv4: V4, Passive, Clear;
        passive_ipv6: V6, Passive, Clear;
        explicit_tls: V4, Passive, Explicit;
        explicit_tls_1_2: V4, Passive, ExplicitTls12;
        implicit_tls: V6, Passive, Implicit;
    }
    suppaftp, Suppaftp => {
        passive_ipv4: V4, Passive, Clear;
        passive_ipv6: V6, Passive, Clear;
        active_ipv4: V4, Active, Clear;
        active_ipv6: V6, Active, Clear;
        explicit_tls: V4, Passive, Explicit;
        explicit_tls_1_2: V4, Passive, ExplicitTls12;
        active_explicit_tls: V4, Active, Explicit;
    }
    tnftp, Tnftp => {
        passive_ipv4: V4, Passive, Clear;
        passive_ipv6: V6, Passive, Clear;
        active_ipv4: V4, Active, Clear;
        active_ipv6: V6, Active, Clear;
    }
    wget, Wget => {
        passive_ipv4: V4, Passive, Clear;
        passive_ipv6: V6, Passive, Clear;
        active_ipv4: V4, Active, Clear;
        active_ipv6: V6, Active, Clear;
    }
}
