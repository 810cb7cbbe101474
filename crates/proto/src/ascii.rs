//! ASCII type translation, streaming, right across chunk borders.

/// Translates file bytes to `TYPE A` wire form: a LF not already preceded by CR becomes CRLF.
#[derive(Debug, Default)]
pub struct AsciiSender {
    after_cr: bool,
}
impl AsciiSender {
    /// Appends the wire form of `input` to `out`.
    pub fn translate(&mut self, _input: &[u8], _out: &mut Vec<u8>) {
        todo!()
    }
}

/// Translates `TYPE A` wire bytes to file bytes: CRLF becomes LF, a lone CR stays.
#[derive(Debug, Default)]
pub struct AsciiReceiver {
    pending_cr: bool,
}
impl AsciiReceiver {
    /// Appends the file form of `input` to `out`; a CR at the end waits for what follows.
    pub fn translate(&mut self, _input: &[u8], _out: &mut Vec<u8>) {
        todo!()
    }
    /// Appends a CR still held back; call once at end of stream.
    pub fn finish(&mut self, _out: &mut Vec<u8>) {
        todo!()
    }
}
