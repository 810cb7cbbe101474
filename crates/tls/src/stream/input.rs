//! Decrypts the client's records for the reader.

use std::io::{self, Read};
use std::mem;
use std::ops::Range;

use ftpdlib_ioloop::{Context, Direction};
use rustls::{ProtocolVersion, ServerConnection};

use super::{PENDING, TlsStream};
use crate::config::Purpose;

/// Offset in a reader's buffer where received bytes are put: behind the room for an earlier record,
/// at most one, which is decrypted to the front.
const LEAD: usize = 20 << 10;

impl TlsStream {
    pub(super) fn read_open(
        &mut self,
        tls: &mut ServerConnection,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        // With more overhead than this, records yield too little for the time that they take, and
        // the read ends. Without this limit, it could go on without a byte: rustls refuses empty
        // records and key changes only if many of one kind come in a row, not if they alternate.
        let most = self.overhead.saturating_add(PENDING);
        let mut tried = false;
        loop {
            match tls.reader().read(buffer) {
                Ok(0) if !buffer.is_empty() => {
                    if self.answers_end(tls) {
                        self.say_end(tls);
                        let _ = self.send(tls, cx);
                    }
                    return Ok(0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => {
                    self.note_taken(0, *outcome.as_ref().unwrap_or(&0));
                    return outcome;
                }
            }
            if self.broken {
                self.process(tls, cx)?;
            }
            if self.unfed.is_empty() {
                if tried && !cx.is_ready(self.wire.id(), Direction::Read) {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                tried = true;
            }
            if self.overhead > most {
                // There may be no event for what is left.
                cx.note_unread(self.wire.id());
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let received = self.receive(tls, cx, buffer, most);
            // Sends TLS's own answers. What does not fit now goes with the next bytes, or once
            // there is room for it.
            let _ = self.send(tls, cx);
            let decrypted = received?;
            if decrypted > 0 {
                return Ok(decrypted);
            }
        }
    }

    /// Whether the client's end is answered at once. It is not on a control connection, where
    /// replies may still be owed; but TLS 1.2 has no end of one side only (RFC 5246 §7.2.1).
    fn answers_end(&self, tls: &ServerConnection) -> bool {
        self.purpose == Purpose::Data || tls.protocol_version() != Some(ProtocolVersion::TLSv1_3)
    }

    /// Decrypts to the front of `buffer` what an earlier read has left, or otherwise what it reads
    /// from the socket into the back of `buffer`, up to `most` bytes of overhead. Returns the
    /// number of decrypted bytes: 0 if there was no whole record, or none with content.
    fn receive(
        &mut self,
        tls: &mut ServerConnection,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        most: usize,
    ) -> io::Result<usize> {
        let mut short = false;
        let mut records = if self.unfed.is_empty() {
            let start = LEAD.min(buffer.len() / 2);
            let room = buffer.len() - start;
            let received = cx.read(&self.wire, &mut buffer[start..])?;
            if received == 0 {
                tls.read_tls(&mut io::empty())?;
                return Ok(0);
            }
            short = received < room;
            Records::at(start..start + received)
        } else {
            Records::left(mem::take(&mut self.unfed))
        };
        let mut decrypted = 0;
        // Whether bytes that do not fit, or the client's end, are left for the next read.
        let mut kept = false;
        while !records.are_taken() {
            let taken = tls.read_tls(&mut records.bytes(buffer))?;
            records.advance(taken);
            let processed = self.process(tls, cx);
            let room = records.room_before(buffer);
            // Nothing to read is no error here.
            let copied = tls
                .reader()
                .read(&mut buffer[decrypted..room])
                .unwrap_or_default();
            self.note_taken(taken, copied);
            decrypted += copied;
            let state = match processed {
                Ok(state) => state,
                Err(_) if decrypted > 0 => {
                    // What came before the error is good. The next read finds the error again.
                    (self.broken, kept) = (true, true);
                    break;
                }
                Err(error) => return Err(error),
            };
            if taken == 0 {
                // The client has nothing more to say after its end.
                kept = true;
                break;
            }
            let full = copied < state.plaintext_bytes_to_read();
            kept = full || state.peer_has_closed();
            if !records.are_taken() && (full || self.overhead > most) {
                kept = true;
                self.unfed = records.into_rest(buffer);
                break;
            }
        }
        if kept {
            // It may have come with the last bytes, so that no event follows.
            cx.note_unread(self.wire.id());
        } else if short {
            cx.note_short_read(self.wire.id());
        }
        Ok(decrypted)
    }

    /// Takes note that this many bytes of records were taken, and this many bytes of content given.
    fn note_taken(&mut self, records: usize, given: usize) {
        self.overhead = self.overhead.saturating_add(records).saturating_sub(given);
    }
}

/// Records to be decrypted to the front of a reader's buffer.
struct Records {
    /// What an earlier read has left; `None` if the records are in the buffer itself.
    left: Option<Vec<u8>>,
    /// Where the records are.
    range: Range<usize>,
}

impl Records {
    /// Records at `range` in the buffer.
    fn at(range: Range<usize>) -> Self {
        Self { left: None, range }
    }

    /// Records that an earlier read has left.
    fn left(left: Vec<u8>) -> Self {
        let range = 0..left.len();
        Self {
            left: Some(left),
            range,
        }
    }

    fn bytes<'a>(&'a self, buffer: &'a [u8]) -> &'a [u8] {
        &self.left.as_deref().unwrap_or(buffer)[self.range.clone()]
    }

    /// Skips this many bytes.
    fn advance(&mut self, bytes: usize) {
        self.range.start += bytes;
    }

    fn are_taken(&self) -> bool {
        self.range.is_empty()
    }

    /// How much of the buffer is free before the remaining records.
    fn room_before(&self, buffer: &[u8]) -> usize {
        match self.left {
            Some(_) => buffer.len(),
            None => self.range.start,
        }
    }

    fn into_rest(self, buffer: &[u8]) -> Vec<u8> {
        match self.left {
            Some(mut left) => {
                left.drain(..self.range.start);
                left
            }
            None => buffer[self.range].to_vec(),
        }
    }
}
