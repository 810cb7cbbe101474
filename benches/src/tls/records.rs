//! What an upload sends, encrypted before the clock starts.

use std::io::{self, Read, Write};

use rustls::ClientConnection;

/// Bytes encrypted at once.
const PIECE: usize = 256 << 10;

/// Writes the records that carry the first `size` bytes of `source`, and the announcement of the
/// end after them, to `records`. The handshake is done; the connection sends nothing afterwards.
pub(crate) fn prepare(
    tls: &mut ClientConnection,
    source: &mut impl Read,
    size: u64,
    records: &mut impl Write,
) -> io::Result<()> {
    tls.set_buffer_limit(None);
    let mut piece = vec![0; PIECE];
    let mut left = size;
    while left > 0 {
        let count = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        source.read_exact(&mut piece[..count])?;
        tls.writer().write_all(&piece[..count])?;
        drain(tls, records)?;
        left -= count as u64;
    }
    tls.send_close_notify();
    drain(tls, records)
}

fn drain(tls: &mut ClientConnection, records: &mut impl Write) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(records)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustls::ServerConnection;

    use super::*;
    use crate::tls::tests::{pair, shake_hands};

    /// What a server makes of the records of an upload: its plaintext, and whether the end was
    /// announced.
    fn opened(server: &mut ServerConnection, mut records: &[u8]) -> (Vec<u8>, bool) {
        let (mut plain, mut closed) = (Vec::new(), false);
        while !records.is_empty() {
            server.read_tls(&mut records).unwrap();
            let state = server.process_new_packets().unwrap();
            closed |= state.peer_has_closed();
            let mut piece = vec![0; state.plaintext_bytes_to_read()];
            server.reader().read_exact(&mut piece).unwrap();
            plain.extend_from_slice(&piece);
        }
        (plain, closed)
    }

    #[track_caller]
    fn check(size: usize) {
        let (mut client, mut server) = pair();
        shake_hands(&mut client, &mut server);
        let source: Vec<u8> = (0..size + 7).map(|index| (index % 251) as u8).collect();
        let mut records = Vec::new();
        prepare(&mut client, &mut &*source, size as u64, &mut records).unwrap();
        let (plain, closed) = opened(&mut server, &records);
        assert!(
            plain == source[..size],
            "{size} bytes became {}",
            plain.len()
        );
        assert!(closed, "no announcement after {size} bytes");
    }

    #[test]
    fn records_carry_the_bytes_asked_for_and_their_end() {
        for size in [0, 1, 16 << 10, PIECE - 1, PIECE, 2 * PIECE + 1] {
            check(size);
        }
    }

    #[test]
    fn a_source_that_ends_early_is_an_error() {
        let (mut client, mut server) = pair();
        shake_hands(&mut client, &mut server);
        let error = prepare(&mut client, &mut &[0; 9][..], 10, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
