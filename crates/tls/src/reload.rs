//! A configuration that is read again when its files change.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use crate::{TlsConfig, TlsError, TlsSettings};

/// What distinguishes versions of a file; `None` if there is no file.
type Version = Option<(SystemTime, u64, Identity)>;

/// A [`TlsConfig`] that follows the files of its settings.
///
/// Whenever it reads them, it logs a warning for each certificate that is
/// [not valid at that time](TlsSettings::untimely_certificates).
///
/// # Examples
///
/// ```
/// use ftpdlib_tls::{ReloadingConfig, TlsSettings};
///
/// let tls = ReloadingConfig::new(TlsSettings::default())?;
/// let session = tls.current().session()?;
/// // From time to time, on a thread that may block:
/// assert!(!tls.refresh()?, "no file has changed");
/// # let _ = session;
/// # Ok::<(), ftpdlib_tls::TlsError>(())
/// ```
#[derive(Debug)]
pub struct ReloadingConfig {
    settings: TlsSettings,
    current: RwLock<Arc<TlsConfig>>,
    /// The versions of the files when they were last read, whatever they contained; not updated if
    /// the system could not read them for the moment.
    versions: Mutex<Vec<Version>>,
}

impl ReloadingConfig {
    /// Reads the files for the first time.
    ///
    /// # Errors
    ///
    /// As [`TlsSettings::build`].
    pub fn new(settings: TlsSettings) -> Result<Self, TlsError> {
        // The versions come first: a file that changes in between is then read again.
        let versions = Mutex::new(versions(&settings));
        let current = RwLock::new(Arc::new(settings.build()?));
        settings.warn_of_untimely_certificates();
        Ok(Self {
            settings,
            current,
            versions,
        })
    }

    /// The configuration for the next client.
    pub fn current(&self) -> Arc<TlsConfig> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }

    /// Reads all files again if one of them has changed, and returns whether they are now in use.
    /// Existing sessions keep their configuration. May block.
    ///
    /// # Errors
    ///
    /// As [`TlsSettings::build`]. The configuration in use then stays, and the same files are not
    /// tried again, unless the system could not read them for the moment. There is also an error
    /// for the moment between the replacement of a certificate and of its key.
    pub fn refresh(&self) -> Result<bool, TlsError> {
        let now = versions(&self.settings);
        let mut known = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == now {
            return Ok(false);
        }
        let built = self.settings.build();
        if !built.as_ref().is_err_and(may_pass) {
            *known = now;
        }
        let config = Arc::new(built?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
        self.settings.warn_of_untimely_certificates();
        Ok(true)
    }
}

/// Whether the same files may be readable later, as when the process has run out of descriptors.
fn may_pass(error: &TlsError) -> bool {
    let TlsError::Unreadable { source, .. } = error else {
        return false;
    };
    // `InvalidInput` means no regular file, or one that is too large.
    let of_file = [
        ErrorKind::NotFound,
        ErrorKind::PermissionDenied,
        ErrorKind::InvalidInput,
    ];
    !of_file.contains(&source.kind())
}

fn versions(settings: &TlsSettings) -> Vec<Version> {
    settings.files().map(version).collect()
}

fn version(path: &Path) -> Version {
    let metadata = fs::metadata(path).ok()?;
    Some((
        metadata.modified().ok()?,
        metadata.len(),
        identity(&metadata),
    ))
}

/// The file's identity, and when anything about it last changed. Its modification time may be
/// arbitrary, and the same for all versions: `cp -p` sets it, and so do reproducible images.
#[cfg(unix)]
type Identity = (u64, u64, i64, i64);
#[cfg(not(unix))]
type Identity = ();

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    let (changed, nanoseconds) = (metadata.ctime(), metadata.ctime_nsec());
    (metadata.dev(), metadata.ino(), changed, nanoseconds)
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Identity {}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    /// Writes a file with a modification time of `seconds` since 1970.
    fn write(path: &Path, text: &str, seconds: u64) {
        fs::write(path, text).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        file.set_modified(time).unwrap();
    }

    /// A certificate and its key, in PEM.
    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["ftp.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    /// Returns a configuration of a certificate and its key in `directory`, and the paths of both.
    fn reloading(directory: &TempDir) -> (ReloadingConfig, PathBuf, PathBuf) {
        let path = |name| directory.path().join(name);
        let (certfile, keyfile) = (path("cert.pem"), path("key.pem"));
        let (certificate, key) = pair();
        write(&certfile, &certificate, 1);
        write(&keyfile, &key, 1);
        let settings = TlsSettings::default().certfile(&certfile).keyfile(&keyfile);
        (ReloadingConfig::new(settings).unwrap(), certfile, keyfile)
    }

    #[test]
    fn certificates_follow_their_files() {
        let directory = TempDir::new().unwrap();
        let (tls, certfile, keyfile) = reloading(&directory);
        let (second, second_key) = pair();
        let before = tls.current();
        assert!(!tls.refresh().unwrap());
        // The certificate without its key.
        write(&certfile, &second, 2);
        assert!(matches!(tls.refresh(), Err(TlsError::KeyMismatch { .. })));
        assert!(!tls.refresh().unwrap(), "the same files are tried once");
        assert!(Arc::ptr_eq(&before, &tls.current()));
        write(&keyfile, &second_key, 2);
        assert!(tls.refresh().unwrap());
        assert!(!Arc::ptr_eq(&before, &tls.current()));
        // A file that is gone, or contains no certificate.
        let after = tls.current();
        fs::remove_file(&certfile).unwrap();
        assert!(matches!(tls.refresh(), Err(TlsError::Unreadable { .. })));
        write(&certfile, "nothing", 3);
        assert!(matches!(tls.refresh(), Err(TlsError::NoCertificate { .. })));
        assert!(Arc::ptr_eq(&after, &tls.current()));
    }

    #[test]
    fn a_file_of_the_same_time_and_length_was_taken_for_the_old_one() {
        let directory = TempDir::new().unwrap();
        let (tls, certfile, _) = reloading(&directory);
        assert!(!tls.refresh().unwrap());
        let next = directory.path().join("next");
        write(&next, &fs::read_to_string(&certfile).unwrap(), 1);
        fs::rename(&next, &certfile).unwrap();
        assert!(tls.refresh().unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn a_certificate_that_could_not_be_read_for_the_moment_was_not_tried_again() {
        let directory = TempDir::new().unwrap();
        let (tls, certfile, _) = reloading(&directory);
        // A system error that says nothing about the file.
        fs::remove_file(&certfile).unwrap();
        std::os::unix::fs::symlink(&certfile, &certfile).unwrap();
        for _ in 0..2 {
            assert!(matches!(tls.refresh(), Err(TlsError::Unreadable { .. })));
        }
    }
}
