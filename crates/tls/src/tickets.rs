//! Tickets that are accepted only by the session of one control connection.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustls::crypto::SecureRandom;
use rustls::crypto::cipher::{AeadKey, Iv, NONCE_LEN};
use rustls::quic::PacketKey;
use rustls::server::ProducesTickets;

use crate::provider;

/// Length of a key, in bytes.
const KEY: usize = 32;

/// Lifetime of tickets, in seconds: the longest that TLS 1.3 allows (RFC 8446 §4.6.1), so that a
/// client can resume for as long as its control connection lasts.
const LIFETIME: u32 = 7 * 24 * 60 * 60;

/// Seals tickets with a key of the session, which lives as long as the session.
///
/// A key shared by all sessions would have to be replaced from time to time, and a client that kept
/// its ticket longer would be taken for a stranger.
pub(crate) struct BoundTickets {
    key: [u8; KEY],
    /// Number of the next ticket.
    number: AtomicU64,
}

impl BoundTickets {
    /// Creates the tickets of a new session.
    ///
    /// # Errors
    ///
    /// If the system provides no random numbers.
    pub(crate) fn new(random: &dyn SecureRandom) -> Result<Self, rustls::Error> {
        let mut key = [0; KEY];
        random.fill(&mut key)?;
        let number = AtomicU64::new(0);
        Ok(Self { key, number })
    }

    /// Prepares the key for use. This takes little time, but the result is too large to keep in an
    /// idle session.
    fn cipher(&self) -> Option<Box<dyn PacketKey>> {
        let algorithm = provider::ticket_cipher()?;
        Some(algorithm.packet_key(AeadKey::from(self.key), Iv::new([0; NONCE_LEN])))
    }
}

impl ProducesTickets for BoundTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME
    }

    /// Returns the number of the ticket, which is the nonce, followed by the sealed text and its
    /// tag.
    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let cipher = self.cipher()?;
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let start = number.to_be_bytes();
        let mut ticket = Vec::with_capacity(start.len() + plain.len() + cipher.tag_len());
        ticket.extend_from_slice(&start);
        ticket.extend_from_slice(plain);
        let sealed = &mut ticket[start.len()..];
        let tag = cipher.encrypt_in_place(number, &[], sealed).ok()?;
        ticket.extend_from_slice(tag.as_ref());
        Some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (number, sealed) = ticket.split_first_chunk()?;
        let mut plain = sealed.to_vec();
        let number = u64::from_be_bytes(*number);
        let opened = self.cipher()?.decrypt_in_place(number, &[], &mut plain);
        let length = opened.ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

/// Omits the key.
impl fmt::Debug for BoundTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundTickets").finish_non_exhaustive()
    }
}

/// The session's tickets for one data connection, which gives new ones only to a client that has
/// resumed the session.
///
/// Otherwise a stranger who makes a full handshake would get a ticket of this session, and could
/// resume it on the next data connection.
#[derive(Debug)]
pub(crate) struct DataTickets {
    session: Arc<dyn ProducesTickets>,
    gives: AtomicBool,
}

impl DataTickets {
    /// Creates the tickets for a new handshake. At first they are given: TLS 1.2 makes its new
    /// ticket at the moment when it decides to resume, but in a full handshake only later.
    pub(crate) fn new(session: Arc<dyn ProducesTickets>) -> Self {
        Self {
            session,
            gives: AtomicBool::new(true),
        }
    }

    /// Sets, after each step of the handshake, whether it resumes a session.
    pub(crate) fn set_resumed(&self, resumed: bool) {
        self.gives.store(resumed, Ordering::Relaxed);
    }
}

impl ProducesTickets for DataTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.session.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.gives
            .load(Ordering::Relaxed)
            .then(|| self.session.encrypt(plain))?
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.session.decrypt(cipher)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn session() -> BoundTickets {
        BoundTickets::new(provider::provider().secure_random).unwrap()
    }

    #[test]
    fn a_ticket_opens_in_its_own_session_only() {
        let (own, other) = (session(), session());
        let ticket = own.encrypt(b"state").unwrap();
        assert_eq!(own.decrypt(&ticket).as_deref(), Some(&b"state"[..]));
        assert_eq!(other.decrypt(&ticket), None);
        assert_eq!(own.decrypt(&ticket[1..]), None);
        assert_eq!(own.decrypt(b""), None);
        assert_ne!(own.encrypt(b"state").unwrap(), ticket);
    }

    #[test]
    fn a_debug_output_hides_the_key() {
        assert_eq!(format!("{:?}", session()), "BoundTickets { .. }");
    }

    proptest! {
        #[test]
        fn what_was_not_sealed_here_is_no_ticket(bytes: Vec<u8>) {
            prop_assert_eq!(session().decrypt(&bytes), None);
        }

        #[test]
        fn a_ticket_gives_back_what_was_sealed_and_nothing_else(
            plain: Vec<u8>,
            place in any::<prop::sample::Index>(),
            change in 1_u8..,
        ) {
            let own = session();
            let mut ticket = own.encrypt(&plain).unwrap();
            prop_assert_eq!(own.decrypt(&ticket), Some(plain));
            let place = place.index(ticket.len());
            ticket[place] ^= change;
            prop_assert_eq!(own.decrypt(&ticket), None);
        }
    }
}
