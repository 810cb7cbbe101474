//! Digests of files.

use std::ops::Range;

use ftpdlib_filesystems::{Filesystem, ReadFile};
use ftpdlib_proto::{ByteRange, HashAlgorithm, VirtualPath};
use ftpdlib_session::Refusal;
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::file_io::read_some;
use super::ranged::open_read_at;
use super::{TimeSlice, reply_of};

/// Bytes read at a time. Between two reads, the time slice is checked.
const PIECE: usize = 64 << 10;

/// Computes the digest of `range` of a file, and returns it with the range that was read. Refuses
/// more than `limit` bytes, unless that is 0.
pub(super) fn digest(
    fs: &dyn Filesystem,
    path: &VirtualPath,
    range: ByteRange,
    algorithm: HashAlgorithm,
    limit: u64,
    time: &mut TimeSlice,
) -> Result<(Vec<u8>, Range<u64>), Refusal> {
    let mut file = open_read_at(fs, path, range.start()).map_err(reply_of)?;
    let known = [range.end(), file.size()].into_iter().flatten().min();
    let most = if limit == 0 { u64::MAX } else { limit };
    if known.is_some_and(|end| end.saturating_sub(range.start()) > most) {
        return Err(too_large());
    }
    let length = range.length().unwrap_or(u64::MAX);
    let mut hasher = Hasher::new(algorithm);
    let read = feed(&mut *file, &mut hasher, length, most, time)?;
    Ok((hasher.finish(), range.start()..range.start() + read))
}

/// Reads up to `length` bytes and returns how many there were; more than `most` are refused.
fn feed(
    file: &mut dyn ReadFile,
    hasher: &mut Hasher,
    length: u64,
    most: u64,
    time: &mut TimeSlice,
) -> Result<u64, Refusal> {
    let mut buffer = vec![0; PIECE];
    let mut read = 0;
    loop {
        time.go_on()?;
        let room = usize::try_from(length - read).map_or(PIECE, |rest| rest.min(PIECE));
        let bytes = read_some(file, &mut buffer[..room])?;
        if bytes == 0 {
            return Ok(read);
        }
        hasher.update(&buffer[..bytes]);
        read += bytes as u64;
        if read > most {
            return Err(too_large());
        }
    }
}

fn too_large() -> Refusal {
    Refusal::new(550, "File is too large for a digest.")
}

/// A digest being computed.
enum Hasher {
    Crc32(crc32fast::Hasher),
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    fn new(algorithm: HashAlgorithm) -> Self {
        match algorithm {
            HashAlgorithm::Crc32 => Self::Crc32(crc32fast::Hasher::new()),
            HashAlgorithm::Md5 => Self::Md5(Md5::new()),
            HashAlgorithm::Sha1 => Self::Sha1(Sha1::new()),
            HashAlgorithm::Sha256 => Self::Sha256(Sha256::new()),
            HashAlgorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(hasher) => hasher.update(bytes),
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc32(hasher) => hasher.finalize().to_be_bytes().to_vec(),
            Self::Md5(hasher) => hasher.finalize().to_vec(),
            Self::Sha1(hasher) => hasher.finalize().to_vec(),
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use ftpdlib_filesystems::MemoryFs;

    use super::*;

    #[track_caller]
    fn check(range: ByteRange, limit: u64, expected: Result<(&str, Range<u64>), &str>) {
        let fs = MemoryFs::new();
        fs.insert("/a", "0123456789").unwrap();
        let path = VirtualPath::new("/a").unwrap();
        let got = digest(
            &fs,
            &path,
            range,
            HashAlgorithm::Crc32,
            limit,
            &mut TimeSlice::alone(),
        );
        let got = got.map(|(digest, range)| {
            let digest = u32::from_be_bytes(digest.try_into().unwrap());
            (format!("{digest:08x}"), range)
        });
        let expected = expected.map(|(digest, range)| (digest.to_owned(), range));
        assert_eq!(
            got.map_err(|refusal| refusal.text),
            expected.map_err(Into::into)
        );
    }

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange::new(start, Some(end)).unwrap()
    }

    #[test]
    fn ranges_end_with_the_file() {
        check(ByteRange::default(), 0, Ok(("a684c7c6", 0..10)));
        check(range(0, 10), 0, Ok(("a684c7c6", 0..10)));
        check(range(0, 99), 0, Ok(("a684c7c6", 0..10)));
        check(range(0, 1), 0, Ok(("f4dbdf21", 0..1)));
        check(range(9, 10), 0, Ok(("8d076785", 9..10)));
        check(range(5, 5), 0, Ok(("00000000", 5..5)));
        check(ByteRange::starting_at(10), 0, Ok(("00000000", 10..10)));
        let past = "Restart offset is past the end of the file.";
        check(ByteRange::starting_at(11), 0, Err(past));
    }

    #[test]
    fn the_limit_counts_what_is_read() {
        check(ByteRange::default(), 10, Ok(("a684c7c6", 0..10)));
        check(
            ByteRange::default(),
            9,
            Err("File is too large for a digest."),
        );
        check(range(9, 10), 1, Ok(("8d076785", 9..10)));
        check(range(0, 99), 9, Err("File is too large for a digest."));
    }

    #[test]
    fn cancelled_work_ends() {
        let fs = MemoryFs::new();
        fs.insert("/a", "0123456789").unwrap();
        let path = VirtualPath::new("/a").unwrap();
        let range = ByteRange::default();
        let got = digest(
            &fs,
            &path,
            range,
            HashAlgorithm::Md5,
            0,
            &mut TimeSlice::cancelled(),
        );
        assert_eq!(got.unwrap_err().code.value(), 426);
    }
}
