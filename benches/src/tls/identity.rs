//! The certificate of all servers.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// A self-signed certificate for `localhost` and its key, ECDSA over P-256.
#[derive(Clone, Debug)]
pub struct Identity {
    certificate: String,
    key: String,
}

/// Where a server finds them.
pub(crate) struct IdentityFiles {
    /// The certificate.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
    /// One after the other.
    pub(crate) both: PathBuf,
}

impl Identity {
    /// A new one.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub fn new() -> io::Result<Self> {
        // The default of rcgen is P-256.
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let made = made.map_err(io::Error::other)?;
        Ok(Self {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        })
    }

    /// Writes the files into `directory`, which `owner` alone can read.
    pub(crate) fn write(&self, directory: &Path, owner: Option<u32>) -> io::Result<IdentityFiles> {
        let files = IdentityFiles {
            certificate: directory.join("certificate.pem"),
            key: directory.join("key.pem"),
            both: directory.join("both.pem"),
        };
        fs::write(&files.certificate, &self.certificate)?;
        fs::write(&files.key, &self.key)?;
        fs::write(&files.both, [&*self.key, &*self.certificate].concat())?;
        for file in [&files.certificate, &files.key, &files.both] {
            fs::set_permissions(file, Permissions::from_mode(0o600))?;
            chown(file, owner, None)?;
        }
        chown(directory, owner, None)?;
        Ok(files)
    }
}
