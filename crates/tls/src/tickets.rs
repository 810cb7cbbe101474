//! Tickets that only one control connection's session accepts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::crypto::SecureRandom;
use rustls::server::ProducesTickets;

/// Random, so that no other session has it.
const ID: usize = 16;

/// Seals what `shared` seals, together with the session's number, and opens only what bears that.
///
/// The key is the same for all sessions, so a session costs these few bytes.
#[derive(Debug)]
pub(crate) struct BoundTickets {
    shared: Arc<dyn ProducesTickets>,
    id: [u8; ID],
}

impl BoundTickets {
    /// Tickets of a new session.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub(crate) fn new(
        shared: Arc<dyn ProducesTickets>,
        random: &dyn SecureRandom,
    ) -> Result<Self, rustls::Error> {
        let mut id = [0; ID];
        random.fill(&mut id)?;
        Ok(Self { shared, id })
    }
}

impl ProducesTickets for BoundTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.shared.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.shared.encrypt(&[&self.id, plain].concat())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let sealed = self.shared.decrypt(cipher)?;
        // What was opened is authentic, so comparing it needs no care about time.
        sealed.strip_prefix(&self.id).map(<[u8]>::to_vec)
    }
}

/// The same tickets for one data connection, which gives new ones only to whom it has resumed.
///
/// Without that, a stranger who makes a full handshake would be given a ticket of this session, and
/// could resume it with the next data connection.
#[derive(Debug)]
pub(crate) struct DataTickets {
    session: Arc<dyn ProducesTickets>,
    gives: AtomicBool,
}

impl DataTickets {
    /// For a handshake that begins. TLS 1.2 makes its new ticket together with the decision to
    /// resume, and a full handshake makes it later than that: so it starts by giving.
    pub(crate) fn new(session: Arc<dyn ProducesTickets>) -> Self {
        Self {
            session,
            gives: AtomicBool::new(true),
        }
    }

    /// Told after each step whether the handshake resumes a session.
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
    use crate::provider::{provider, ticketer};

    #[test]
    fn a_ticket_opens_in_its_own_session_only() {
        let (shared, provider) = (ticketer().unwrap(), provider());
        let random = provider.secure_random;
        let session = || BoundTickets::new(Arc::clone(&shared), random).unwrap();
        let (own, other) = (session(), session());
        let ticket = own.encrypt(b"state").unwrap();
        assert_eq!(own.decrypt(&ticket).as_deref(), Some(&b"state"[..]));
        assert_eq!(other.decrypt(&ticket), None);
        assert_eq!(own.decrypt(&ticket[1..]), None);
        assert_eq!(own.decrypt(b""), None);
    }

    fn session() -> BoundTickets {
        BoundTickets::new(ticketer().unwrap(), provider().secure_random).unwrap()
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
