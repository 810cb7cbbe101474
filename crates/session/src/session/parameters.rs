//! Transfer parameters: TYPE, MODE, STRU, REST, RANG, ALLO, OPTS (RFC 959 §4.1.2, RFC 3659 §5,
//! RFC 2389 §4).

use ftpdlib_proto::{ByteRange, FactSet, HashAlgorithm, NameEncoding, Reply, TransferType};

use super::Session;
use crate::SessionConfig;

/// The client's settings.
#[derive(Debug)]
pub(super) struct Parameters {
    /// Encoding of names on the control connection.
    pub(super) encoding: NameEncoding,
    /// The last OPTS UTF8.
    utf8: Option<bool>,
    /// Facts of MLST and MLSD.
    pub(super) facts: FactSet,
    /// The representation type, set by TYPE.
    pub(super) transfer_type: TransferType,
    /// REST, RANG: the bytes that the next RETR, STOR or HASH applies to.
    pub(super) restart: Restart,
    /// The algorithm of HASH.
    pub(super) hash: HashAlgorithm,
    /// Whether EPSV ALL was given: PASV, PORT and EPRT are then refused.
    pub(super) epsv_all: bool,
}

/// The bytes that a command applies to, and how the client chose them.
#[derive(Debug, Default)]
pub(super) struct Restart {
    pub(super) range: ByteRange,
    /// Whether by REST, even REST 0.
    pub(super) by_rest: bool,
}

impl Parameters {
    /// Returns the parameters of a new session.
    pub(super) fn new(config: &SessionConfig) -> Self {
        Self {
            encoding: config.encoding,
            utf8: None,
            facts: config.facts,
            transfer_type: TransferType::Ascii,
            restart: Restart::default(),
            hash: HashAlgorithm::default(),
            epsv_all: false,
        }
    }
}

impl<P> Session<P> {
    /// TYPE.
    pub(super) fn set_type(&mut self, transfer_type: TransferType) {
        self.parameters.transfer_type = transfer_type;
        self.reply(Reply::new(
            200,
            match transfer_type {
                TransferType::Ascii => "Type set to: ASCII.",
                TransferType::Image => "Type set to: Binary.",
            },
        ));
    }

    /// MODE: parsing refuses all modes but stream mode.
    pub(super) fn mode(&mut self) {
        self.reply(Reply::new(200, "Transfer mode set to: S"));
    }

    /// STRU: parsing refuses all structures but file structure.
    pub(super) fn stru(&mut self) {
        self.reply(Reply::new(200, "File transfer structure set to: F."));
    }

    /// ALLO.
    pub(super) fn allo(&mut self) {
        self.reply(Reply::new(202, "No storage allocation necessary."));
    }

    /// REST.
    pub(super) fn rest(&mut self, offset: u64) -> Result<(), Reply> {
        let restart = Restart {
            range: ByteRange::starting_at(offset),
            by_rest: true,
        };
        self.check_ascii_restart(&restart)?;
        self.parameters.restart = restart;
        let text = format!("Restarting at position {offset}.");
        self.reply(Reply::new(350, text));
        Ok(())
    }

    /// RANG; `1 0` undoes it. It is also accepted in ASCII type, as a digest covers the stored
    /// bytes.
    pub(super) fn rang(&mut self, range: ByteRange) {
        let by_rest = false;
        self.parameters.restart = Restart { range, by_rest };
        let text = match range.end() {
            Some(end) => {
                let (first, last) = (range.start(), end - 1);
                format!("Restarting at {first}. End byte range at {last}.")
            }
            None => "Range is reset.".to_owned(),
        };
        self.reply(Reply::new(350, text));
    }

    /// Refuses an offset in ASCII type, where it does not correspond to the translated lines.
    pub(super) fn check_ascii_restart(&self, restart: &Restart) -> Result<(), Reply> {
        let is_ascii = self.parameters.transfer_type == TransferType::Ascii;
        if is_ascii && !restart.range.is_whole() {
            let text = "Resuming transfers not allowed in ASCII mode.";
            return Err(Reply::new(501, text));
        }
        Ok(())
    }

    /// OPTS UTF8. Explorer needs exactly 200 to go on in UTF-8.
    pub(super) fn opts_utf8(&mut self, on: bool) {
        self.parameters.utf8 = Some(on);
        self.choose_encoding();
        let text = if on { "UTF8 is on." } else { "UTF8 is off." };
        self.reply(Reply::new(200, text));
    }

    /// Chooses the encoding by OPTS UTF8, which stays in effect across a login, and by the user. If
    /// the configured encoding is not UTF-8, clients that turn UTF-8 off mean the configured one.
    pub(super) fn choose_encoding(&mut self) {
        let configured = self.configured_encoding();
        self.parameters.encoding = match self.parameters.utf8 {
            Some(true) => NameEncoding::UTF_8,
            Some(false) if configured == NameEncoding::UTF_8 => self.config.legacy_encoding,
            Some(false) | None => configured,
        };
    }

    /// Whether FEAT lists UTF8. Some clients send UTF-8 as soon as it is listed, so if another
    /// encoding is configured, it is listed only once the client has turned it on. If UTF-8 is
    /// configured, it stays listed after OPTS UTF8 OFF, as it can be turned on again.
    pub(super) fn offers_utf8(&self) -> bool {
        self.parameters.utf8 == Some(true) || self.configured_encoding() == NameEncoding::UTF_8
    }

    /// The user's own encoding, or the server's.
    fn configured_encoding(&self) -> NameEncoding {
        self.login.encoding().unwrap_or(self.config.encoding)
    }

    /// OPTS HASH; without an algorithm, it only shows the current one.
    pub(super) fn opts_hash(&mut self, algorithm: Option<HashAlgorithm>) {
        if let Some(algorithm) = algorithm {
            self.parameters.hash = algorithm;
        }
        self.reply(Reply::new(200, self.parameters.hash.name()));
    }

    /// OPTS MLST (RFC 3659 §7.9).
    pub(super) fn opts_mlst(&mut self, facts: FactSet) {
        self.parameters.facts = facts;
        let text = format!("MLST OPTS {}", facts.format_chosen());
        self.reply(Reply::new(200, text.trim_end().to_owned()));
    }
}
