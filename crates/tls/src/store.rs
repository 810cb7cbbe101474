//! The one session of a control connection, for clients of TLS 1.2 that use no tickets.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::server::StoresServerSessions;

/// Keeps the session of a control connection under its number; curl resumes it by that.
///
/// There is one handshake on a control connection, and so one session.
#[derive(Debug, Default)]
pub(crate) struct OwnSession(Mutex<Option<(Vec<u8>, Vec<u8>)>>);

impl StoresServerSessions for OwnSession {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((key, value));
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, value) = kept.as_ref().filter(|(own, _)| own == key)?;
        Some(value.clone())
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.get(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// The session of a control connection as its data connections see it. They add nothing: a client
/// that makes a full handshake there may be a stranger.
#[derive(Debug)]
pub(crate) struct ReadOnly(pub(crate) Arc<dyn StoresServerSessions>);

impl StoresServerSessions for ReadOnly {
    fn put(&self, _: Vec<u8>, _: Vec<u8>) -> bool {
        false
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_connections_find_the_session_and_leave_none() {
        let own = Arc::new(OwnSession::default());
        own.put(b"number".to_vec(), b"session".to_vec());
        let data = ReadOnly(own);
        assert_eq!(data.get(b"number").as_deref(), Some(&b"session"[..]));
        assert_eq!(data.get(b"other"), None);
        assert!(!data.put(b"other".to_vec(), b"stranger".to_vec()));
        assert_eq!(data.get(b"other"), None);
        assert_eq!(data.get(b"number").as_deref(), Some(&b"session"[..]));
    }
}
