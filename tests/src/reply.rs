//! Replies, as a client sees them.

/// One reply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// The code of its last line.
    pub code: u16,
    /// Its lines as they came, without their endings.
    pub lines: Vec<Vec<u8>>,
}

impl Reply {
    /// All lines as text, each ended by a line feed.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            text += &String::from_utf8_lossy(line);
            text.push('\n');
        }
        text
    }

    /// The text of the last line, after the code.
    ///
    /// # Panics
    ///
    /// There is none.
    pub fn argument(&self) -> String {
        let last = self.lines.last().unwrap();
        String::from_utf8_lossy(&last[4.min(last.len())..]).into_owned()
    }
}

/// Takes the first whole reply out of `received`; `None` while there is none.
///
/// # Panics
///
/// The bytes are no reply: a line ends with a bare LF, or the first one begins with no code.
#[track_caller]
pub fn take_reply(received: &mut Vec<u8>) -> Option<Reply> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut rest = received.as_slice();
    loop {
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        let line = rest[..end].strip_suffix(b"\r");
        let line = line.unwrap_or_else(|| panic!("bare LF in {:?}", text(received)));
        rest = &rest[end + 1..];
        lines.push(line.to_vec());
        let first = &lines[0];
        assert!(
            first.len() >= 4 && first[..3].iter().all(u8::is_ascii_digit),
            "no reply: {:?}",
            text(first)
        );
        let ends = line.get(..3) == Some(&first[..3]) && line.get(3) == Some(&b' ');
        if ends {
            let code = text(&first[..3]).parse().unwrap();
            let taken = received.len() - rest.len();
            received.drain(..taken);
            return Some(Reply { code, lines });
        }
        assert_eq!(first[3], b'-', "no reply: {:?}", text(first));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: Option<(u16, usize)>, left: &[u8]) {
        let mut received = bytes.to_vec();
        let reply = take_reply(&mut received).map(|reply| (reply.code, reply.lines.len()));
        assert_eq!(reply, expected);
        assert_eq!(received, left);
    }

    #[test]
    fn replies_are_taken_whole() {
        check(b"", None, b"");
        check(b"220 Hi.", None, b"220 Hi.");
        check(b"220 Hi.\r\n331", Some((220, 1)), b"331");
        check(b"211-A\r\n 211 B\r\n", None, b"211-A\r\n 211 B\r\n");
        check(b"211-A\r\n B\r\n212 C\r\n211 D\r\n", Some((211, 4)), b"");
    }
}
