//! Passwords, and the cost of checking them.

use std::hint::black_box;
use std::net::IpAddr;

use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::AuthorizerError;
use crate::hash_permit::HashPermit;

/// The most memory that checking a hash may take: 1 GiB.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;

/// The most passes over that memory.
const MAX_PASSES: u32 = 64;

/// The least memory to reserve for a hash; only the part that is used takes up memory. Smaller
/// pieces, up to 32 MiB, may come from heaps that glibc does not give back. Before version 2.38 it
/// does not even reuse them, since they are aligned: each failed login would leak that memory.
const MIN_MEMORY_KIB: usize = 33 * 1024;

/// A password from the settings, not checked yet.
#[derive(Clone)]
pub(crate) enum Secret {
    Any,
    Plain(String),
    Hash(String),
    /// No password is accepted.
    None,
}

/// A password that a client has sent.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) password: &'a str,
    /// The client whose turn it takes to hash the password.
    pub(crate) client: Option<IpAddr>,
}

/// The password of a user, from checked settings.
#[derive(Clone)]
pub(crate) enum Password {
    /// Any password is accepted.
    Any,
    /// No password is accepted.
    None,
    /// A plain password.
    Plain(Box<str>),
    /// An argon2id hash.
    Hash(Box<PasswordHash>, Cost),
}

/// The parameters of an argon2id hash that decide how long it takes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Password {
    pub(crate) fn new(secret: Secret) -> Result<Self, AuthorizerError> {
        match secret {
            Secret::Any => Ok(Self::Any),
            Secret::None => Ok(Self::None),
            Secret::Plain(word) if word.starts_with("$argon2") => {
                Err(AuthorizerError::HashAsPassword)
            }
            Secret::Plain(word) => Ok(Self::Plain(word.into())),
            Secret::Hash(text) => {
                // Child processes that check it may be forked from here on.
                HashPermit::share();
                parse_hash(&text).map_err(AuthorizerError::PasswordHash)
            }
        }
    }

    /// What a password is compared with if there is no such user, so that it takes the same time.
    pub(crate) fn for_unknown_user() -> Self {
        Self::Plain(Box::default())
    }

    pub(crate) fn matches(&self, given: Given<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::None => false,
            Self::Plain(word) => equal_in_constant_time(word.as_bytes(), given.password.as_bytes()),
            Self::Hash(hash, _) => verify(hash, given),
        }
    }

    /// The cost of a check; `None` if checking only compares.
    pub(crate) fn cost(&self) -> Option<Cost> {
        match self {
            Self::Any | Self::None | Self::Plain(_) => None,
            Self::Hash(_, cost) => Some(*cost),
        }
    }
}

/// Does the work of checking a hash of this cost, so that a refusal takes as long as a check.
pub(crate) fn simulate_check(cost: Cost, given: Given<'_>) {
    let Ok(params) = Params::new(cost.memory_kib, cost.passes, cost.lanes, None) else {
        // Does not happen: the parameters are those of an accepted hash.
        return;
    };
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    let computed = compute(&params.into(), given, b"no such account", &mut output);
    // Keeps the work from being optimised away. A failure, for lack of memory, would fail a real
    // check too.
    black_box((computed.is_ok(), output));
}

/// Whether `hash` is the hash of the password `given`.
fn verify(hash: &PasswordHash, given: Given<'_>) -> bool {
    let (Ok(argon2), Some(salt), Some(expected)) = (hasher(hash), &hash.salt, &hash.hash) else {
        return false;
    };
    let mut output = [0; Output::MAX_LENGTH];
    let output = &mut output[..expected.len()];
    let computed = compute(&argon2, given, salt, output);
    computed.is_ok() && equal_in_constant_time(expected.as_ref(), output)
}

/// Computes a hash into `output`, once this thread has a permit.
fn compute(
    argon2: &Argon2<'_>,
    given: Given<'_>,
    salt: &[u8],
    output: &mut [u8],
) -> argon2::Result<()> {
    let _permit = HashPermit::acquire(given.client);
    let count = argon2.params().block_count();
    let kib = count.max(MIN_MEMORY_KIB);
    let mut memory = Vec::new();
    memory.try_reserve_exact(kib).map_err(|_| {
        // Logged alike for known and unknown users.
        log::error!("no memory to hash a password with, which takes {kib} KiB");
        argon2::Error::OutOfMemory
    })?;
    memory.resize(count, Block::default());
    argon2.hash_password_into_with_memory(given.password.as_bytes(), salt, output, memory)
}

fn parse_hash(text: &str) -> Result<Password, &'static str> {
    let hash = PasswordHash::new(text).map_err(|_| "not a PHC string")?;
    if hash.algorithm.as_str() != Algorithm::Argon2id.as_str() {
        return Err("not an argon2id hash");
    }
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err("salt or hash is missing");
    }
    let argon2 = hasher(&hash)?;
    let params = argon2.params();
    let cost = Cost {
        memory_kib: params.m_cost(),
        passes: params.t_cost(),
        lanes: params.p_cost(),
    };
    if cost.memory_kib > MAX_MEMORY_KIB {
        return Err("more than 1 GiB of memory (m=1048576)");
    }
    if cost.passes > MAX_PASSES {
        return Err("more than 64 passes (t=64)");
    }
    Ok(Password::Hash(Box::new(hash), cost))
}

/// The hasher with the parameters of `hash`.
fn hasher(hash: &PasswordHash) -> Result<Argon2<'static>, &'static str> {
    let version = hash.version.map_or(Ok(Version::V0x13), Version::try_from);
    let version = version.map_err(|_| "unknown argon2 version")?;
    let params = Params::try_from(hash).map_err(|_| "bad argon2 parameters")?;
    Ok(Argon2::new(Algorithm::Argon2id, version, params))
}

/// Compares in a time that depends only on the length of `given`.
pub(crate) fn equal_in_constant_time(word: &[u8], given: &[u8]) -> bool {
    let mut difference = word.len() ^ given.len();
    for (index, byte) in given.iter().enumerate() {
        difference |= usize::from(byte ^ word.get(index).copied().unwrap_or_default());
    }
    black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(hash: &str, expected: Result<(u32, u32, u32), &str>) {
        let got = parse_hash(hash)
            .map(|password| password.cost().unwrap())
            .map(|cost| (cost.memory_kib, cost.passes, cost.lanes));
        assert_eq!(got, expected, "{hash}");
    }

    /// Everything after the parameters: a salt and an output.
    const TAIL: &str = "c2FsdHNhbHQ$nq0XIeHvnbPLyyrKGbdwvrSjeRVkJEWfNsqb4AoM9kI";

    #[test]
    fn hashes_are_argon2id_phc_strings_of_bearable_cost() {
        check(
            &format!("$argon2id$v=19$m=19456,t=2,p=1${TAIL}"),
            Ok((19456, 2, 1)),
        );
        check(
            &format!("$argon2id$v=16$m=64,t=1,p=2${TAIL}"),
            Ok((64, 1, 2)),
        );
        check(
            &format!("$argon2id$v=19$m=1048576,t=64,p=4${TAIL}"),
            Ok((1_048_576, 64, 4)),
        );
        check(
            &format!("$argon2id$v=19$m=1048577,t=1,p=1${TAIL}"),
            Err("more than 1 GiB of memory (m=1048576)"),
        );
        check(
            &format!("$argon2id$v=19$m=64,t=65,p=1${TAIL}"),
            Err("more than 64 passes (t=64)"),
        );
        check(
            &format!("$argon2id$v=19$m=1,t=1,p=1${TAIL}"),
            Err("bad argon2 parameters"),
        );
        check(
            &format!("$argon2id$v=19$m=64,t=1,z=1${TAIL}"),
            Err("bad argon2 parameters"),
        );
        check(
            &format!("$argon2id$v=18$m=64,t=1,p=1${TAIL}"),
            Err("unknown argon2 version"),
        );
        check(
            &format!("$argon2i$v=19$m=64,t=1,p=1${TAIL}"),
            Err("not an argon2id hash"),
        );
        check(
            "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ",
            Err("salt or hash is missing"),
        );
        check(
            "$argon2id$v=19$m=64,t=1,p=1",
            Err("salt or hash is missing"),
        );
        check("$6$salt$hash", Err("not a PHC string"));
        check("secret", Err("not a PHC string"));
        check("", Err("not a PHC string"));
    }

    proptest! {
        #[test]
        fn equal_is_equality(word in "[ab]{0,4}", given in "[ab]{0,4}") {
            let equal = equal_in_constant_time(word.as_bytes(), given.as_bytes());
            prop_assert_eq!(equal, word == given);
        }

        #[test]
        fn no_hash_panics(text in r"(\$argon2id)?[$=,mtpv0-9a-z]{0,40}") {
            let _ = parse_hash(&text);
        }
    }
}
