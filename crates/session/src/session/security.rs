//! TLS: AUTH, PBSZ, PROT, CCC (RFC 4217).

use std::time::Instant;

use ftpdlib_proto::{AuthMechanism, ProtectionLevel, Reply};

use super::Session;
use super::login::Login;
use super::parameters::Parameters;
use super::pending::Pending;
use crate::Effect;

/// Which connections are under TLS.
///
/// ```text
///            AUTH: 234                 Secured
///   Clear ─────────────► (handshake) ──────────► Secure
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Security {
    /// Nothing.
    #[default]
    Clear,
    /// The control connection.
    Secure {
        /// Whether PBSZ was given, which PROT requires.
        pbsz: bool,
        /// The protection level of data connections.
        data: ProtectionLevel,
        /// Whether the client has presented a valid certificate.
        certificate: bool,
    },
}

/// What applies after a handshake in progress.
#[derive(Debug)]
pub(super) struct Handshake {
    /// The protection level of data connections until PROT.
    data: ProtectionLevel,
    /// The greeting, if it was not sent in the clear before.
    greeting: Option<Reply>,
}

impl Security {
    /// Whether the control connection is under TLS.
    pub(super) fn is_secure(self) -> bool {
        matches!(self, Self::Secure { .. })
    }

    /// Whether data connections have to be under TLS.
    pub(super) fn protects_data(self) -> bool {
        match self {
            Self::Clear => false,
            Self::Secure { data, .. } => data == ProtectionLevel::Private,
        }
    }

    /// Whether the client has presented a certificate that may let it in.
    pub(super) fn has_certificate(self) -> bool {
        match self {
            Self::Clear => false,
            Self::Secure { certificate, .. } => certificate,
        }
    }

    /// The state right after a handshake.
    fn after_handshake(data: ProtectionLevel, certificate: bool) -> Self {
        Self::Secure {
            pbsz: data == ProtectionLevel::Private,
            data,
            certificate,
        }
    }
}

impl<P> Session<P> {
    /// Begins the session, with the greeting or with TLS.
    pub(super) fn begin(&mut self, greeting: Reply, now: Instant) {
        if self.config.tls.is_some_and(|rules| rules.implicit) {
            self.begin_handshake(ProtectionLevel::Private, Some(greeting));
        } else {
            self.reply_as_told(greeting, now);
        }
    }

    /// AUTH. Whatever was said in the clear no longer counts (RFC 4217 §4.4).
    pub(super) fn auth(&mut self, mechanism: AuthMechanism) -> Result<(), Reply> {
        if self.security.is_secure() {
            return Err(Reply::new(503, "Already using TLS."));
        }
        if self.is_transferring() {
            return Err(Reply::new(503, "A transfer is in progress."));
        }
        self.flush_account();
        self.close_data();
        self.login = Login::Out;
        self.parameters = Parameters::new(&self.config);
        let text = format!("AUTH {} successful.", mechanism.name());
        self.reply(Reply::new(234, text));
        self.begin_handshake(mechanism.protection_level(), None);
        Ok(())
    }

    /// The control connection is under TLS.
    pub(super) fn secured(&mut self, certificate: bool, now: Instant) {
        let handshake = match std::mem::take(&mut self.pending) {
            Pending::Handshake(handshake) => handshake,
            other @ (Pending::Nothing
            | Pending::Job(_)
            | Pending::Work(_)
            | Pending::PassivePort(_)
            | Pending::LoginDelay(_)
            | Pending::StatListing(_)
            | Pending::Abort) => {
                self.pending = other;
                return;
            }
        };
        self.active_at = now;
        // What had arrived in the clear behind AUTH was discarded.
        self.aborted_ahead = false;
        self.security = Security::after_handshake(handshake.data, certificate);
        if let Some(greeting) = handshake.greeting {
            self.reply_as_told(greeting, now);
        }
    }

    /// PBSZ.
    pub(super) fn pbsz(&mut self) -> Result<(), Reply> {
        let Security::Secure { pbsz, .. } = &mut self.security else {
            let text = "PBSZ not allowed on insecure control connection.";
            return Err(Reply::new(503, text));
        };
        *pbsz = true;
        self.reply(Reply::new(200, "PBSZ=0 successful."));
        Ok(())
    }

    /// PROT.
    pub(super) fn prot(&mut self, level: ProtectionLevel) -> Result<(), Reply> {
        self.check_no_transfer()?;
        let required = self.config.tls.is_some_and(|rules| rules.data_required);
        match &mut self.security {
            Security::Clear => {
                let text = "PROT not allowed on insecure control connection.";
                Err(Reply::new(503, text))
            }
            Security::Secure { pbsz: false, .. } => {
                let text = "You must issue the PBSZ command prior to PROT.";
                Err(Reply::new(503, text))
            }
            Security::Secure { .. } if required && level == ProtectionLevel::Clear => {
                Err(Reply::new(534, "SSL/TLS required on the data channel."))
            }
            Security::Secure { data, .. } => {
                let changed = *data != level;
                *data = level;
                if changed && self.data.may_be_connected() {
                    // A connection that the client has already made has the other level.
                    self.close_data();
                }
                let text = match level {
                    ProtectionLevel::Clear => "Protection set to Clear.",
                    ProtectionLevel::Private => "Protection set to Private.",
                };
                self.reply(Reply::new(200, text));
                Ok(())
            }
        }
    }

    /// CCC: refused, as a secured control connection stays under TLS.
    pub(super) fn ccc(&self) -> Result<(), Reply> {
        Err(if self.security.is_secure() {
            Reply::new(534, "The control connection stays under TLS.")
        } else {
            // RFC 2228 §3.
            Reply::new(533, "The control connection is not under TLS.")
        })
    }

    /// Refuses a login in the clear, if TLS is required.
    pub(super) fn check_login_security(&self) -> Result<(), Reply> {
        let required = self.config.tls.is_some_and(|rules| rules.control_required);
        if required && !self.security.is_secure() {
            let text = "SSL/TLS required on the control channel.";
            return Err(Reply::new(550, text));
        }
        Ok(())
    }

    /// Refuses a data connection in the clear, if TLS is required (RFC 4217 §9).
    pub(super) fn check_data_security(&self) -> Result<(), Reply> {
        let required = self.config.tls.is_some_and(|rules| rules.data_required);
        if required && !self.security.protects_data() {
            let text = "SSL/TLS required on the data channel.";
            return Err(Reply::new(521, text));
        }
        Ok(())
    }

    fn begin_handshake(&mut self, data: ProtectionLevel, greeting: Option<Reply>) {
        let handshake = Handshake { data, greeting };
        self.pending = Pending::Handshake(Box::new(handshake));
        self.effects.push_back(Effect::Secure);
    }
}
