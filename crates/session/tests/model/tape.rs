//! A tape of bytes that makes all decisions.

use ftpdlib_proto::TransferEnd;

pub(crate) struct Tape<'a>(&'a [u8]);

/// Lines of all kinds; the first is chosen after the end of the tape.
const LINES: &[&str] = &[
    "NOOP",
    "PASV",
    "EPSV",
    "PORT 192,0,2,7,200,1",
    "EPRT |1|192.0.2.7|50000|",
    "RETR a",
    "STOR a",
    "LIST",
    "ABOR",
    "STAT",
    "STAT /",
    "QUIT",
    "USER alice",
    "PASS secret",
    "REIN",
    "AUTH TLS",
    "AUTH SSL",
    "PBSZ 0",
    "PROT P",
    "PROT C",
    "CWD a",
    "CDUP",
    "PWD",
    "MKD a",
    "RMD a",
    "DELE a",
    "RNFR a",
    "RNTO b",
    "REST 5",
    "REST 0",
    "TYPE I",
    "TYPE A",
    "SIZE a",
    "MDTM a",
    "MFMT 20200101000000 a",
    "MLST a",
    "MLSD",
    "NLST -a",
    "LIST -l b",
    "APPE a",
    "STOU",
    "STOU x",
    "STOU /",
    "EPSV ALL",
    "EPSV 1",
    "EPSV 2",
    "PORT 198,51,100,9,200,1",
    "PORT 192,0,2,7,0,21",
    "EPRT |2|::1|50000|",
    "FEAT",
    "HELP",
    "HELP RETR",
    "HELP SITE",
    "SITE HELP",
    "SITE CHMOD 644 a",
    "SITE X",
    "OPTS UTF8 ON",
    "OPTS UTF8 OFF",
    "OPTS MLST size;",
    "CLNT x",
    "ACCT",
    "ACCT x",
    "ALLO 5",
    "MODE S",
    "MODE Z",
    "STRU F",
    "SYST",
    "XYZZY",
    "",
    "GET / HTTP/1.1",
    "PASS",
    "USER",
    "RETR",
    "PASV x",
    "CWD ../..",
    "MKD /",
    "RMD /",
    "RNFR /",
    "PASS wrong",
    "HASH a",
    "OPTS HASH MD5",
    "OPTS HASH X",
    "XCRC \"a b\" 1 2",
    "XSHA256 a 1 2",
    "COMB a b c",
    "CPFR a",
    "CPTO b",
    "SITE CPFR a",
    "SITE CPTO b",
    "SITE COPY a b",
    "RANG 1 2",
    "RANG 1 0",
    "MDTM 20200101000000 a",
    "MFF Modify=20200101000000;UNIX.mode=644; a",
    "SITE UTIME 202001010000 a",
    "SITE SYMLINK a b",
    "SITE MKDIR a",
    "SITE RMDIR a",
    "AVBL",
    "HOST a",
    "LANG EN",
    "LANG X",
    "CSID",
    "OWN",
    "OWN 421",
];

impl<'a> Tape<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns one of `count` choices; the first after the end of the tape.
    pub(crate) fn choose(&mut self, count: usize) -> usize {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        usize::from(first) % count
    }

    /// Returns a line: mostly a known one, sometimes bytes of the tape itself.
    pub(crate) fn line(&mut self) -> Vec<u8> {
        let choice = self.choose(LINES.len() + 4);
        if let Some(line) = LINES.get(choice) {
            return line.as_bytes().to_vec();
        }
        let length = self.choose(32).min(self.0.len());
        let (line, rest) = self.0.split_at(length);
        self.0 = rest;
        line.to_vec()
    }

    pub(crate) fn end(&mut self) -> TransferEnd {
        match self.choose(6) {
            0 => TransferEnd::Complete,
            1 => TransferEnd::Truncated,
            2 => TransferEnd::Reset,
            3 => TransferEnd::LocalError,
            4 => TransferEnd::Stalled,
            _ => TransferEnd::Shutdown,
        }
    }
}
