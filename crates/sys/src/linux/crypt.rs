//! Password hashes, by the system's libcrypt.

use std::ffi::{CStr, CString, c_char, c_int, c_ulong, c_void};
use std::io;
use std::ptr;
use std::sync::OnceLock;

/// Hashes a password with the system's library, using the method, cost and salt at the beginning of
/// `setting`. A hash is also a setting: with it, its password yields the same hash.
///
/// Returns `None` if the library does not know the method, or the password contains a NUL byte.
/// Takes as long as the cost requires.
///
/// # Errors
///
/// `NotFound` if the library, which the first call loads, does not exist. `OutOfMemory` if there is
/// too little memory for the method.
pub fn crypt(password: &str, setting: &str) -> io::Result<Option<String>> {
    let library = Library::get()?;
    let Ok(setting) = CString::new(setting) else {
        return Ok(None);
    };
    let password = match CString::new(password) {
        Ok(password) => password,
        Err(error) => {
            wipe(&mut error.into_vec());
            return Ok(None);
        }
    };
    let mut scratch = vec![0u128; SCRATCH / size_of::<u128>()];
    let (word, how, room) = (password.as_ptr(), setting.as_ptr(), scratch.as_mut_ptr());
    // SAFETY: `word` and `how` end with a NUL and are borrowed for the call. `room` is as large as
    // any library requires, more strictly aligned than any C type, zeroed, as it has to be at first
    // use, and used by nothing else.
    let hashed = unsafe { (library.crypt_r)(word, how, room.cast()) };
    // Meaningful only if there is no hash.
    let error = io::Error::last_os_error();
    let hashed = (!hashed.is_null()).then(|| {
        // SAFETY: the result is NUL-terminated and inside `scratch`, which is still alive.
        unsafe { CStr::from_ptr(hashed) }
            .to_string_lossy()
            .into_owned()
    });
    wipe(&mut scratch);
    wipe(&mut password.into_bytes());
    // A result that starts with this character reports an error.
    let hashed = hashed.filter(|hashed| !hashed.is_empty() && !hashed.starts_with('*'));
    if hashed.is_none() && error.kind() == io::ErrorKind::OutOfMemory {
        let problem = "libcrypt has no memory to hash a password with";
        return Err(io::Error::new(error.kind(), problem));
    }
    Ok(hashed)
}

/// Returns a setting with the library's default method and cost for new passwords, and a new salt;
/// `None` if it has no default.
///
/// # Errors
///
/// `NotFound` if there is no such library.
pub fn crypt_setting() -> io::Result<Option<String>> {
    let Some(generate) = Library::get()?.generate else {
        return Ok(None);
    };
    let mut output = [0u8; SETTING];
    let (start, length) = (output.as_mut_ptr().cast(), SETTING as c_int);
    // SAFETY: without a prefix and random bytes, the function uses the system's; `start` points to
    // `length` writable bytes of this frame.
    let made = unsafe { generate(ptr::null(), 0, ptr::null(), 0, start, length) };
    if made.is_null() {
        return Ok(None);
    }
    let text = CStr::from_bytes_until_nul(&output).ok();
    Ok(text.map(|text| text.to_string_lossy().into_owned()))
}

/// The names of the library: libxcrypt's own, the one it took over from the C library, and the one
/// on machines with development files.
const NAMES: [&CStr; 3] = [c"libcrypt.so.2", c"libcrypt.so.1", c"libcrypt.so"];

/// The bytes that `crypt_r` works in: 32 KiB for libxcrypt, a little over 128 KiB for the C
/// library's former version.
const SCRATCH: usize = 136 * 1024;

/// The most bytes of a setting.
const SETTING: usize = 192;

type CryptR = unsafe extern "C" fn(*const c_char, *const c_char, *mut c_void) -> *mut c_char;
type Generate = unsafe extern "C" fn(
    *const c_char,
    c_ulong,
    *const c_char,
    c_int,
    *mut c_char,
    c_int,
) -> *mut c_char;

/// The functions used from the library, which stays loaded.
struct Library {
    crypt_r: CryptR,
    generate: Option<Generate>,
}

impl Library {
    /// Loads the library on the first call. The program is not linked to it, so it starts without
    /// it.
    fn get() -> io::Result<&'static Self> {
        static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
        LIBRARY.get_or_init(Self::load).as_ref().ok_or_else(|| {
            let problem = "there is no libcrypt that can be loaded, to check passwords with";
            io::Error::new(io::ErrorKind::NotFound, problem)
        })
    }

    fn load() -> Option<Self> {
        let open = |name: &&CStr| {
            // SAFETY: the name ends with a NUL. When loaded, the library does what it does in every
            // program that is linked to it.
            let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
            (!handle.is_null()).then_some(handle)
        };
        let handle = NAMES.iter().find_map(open)?;
        // SAFETY: the handle is open and stays so; the name ends with a NUL.
        let crypt_r = unsafe { libc::dlsym(handle, c"crypt_r".as_ptr()) };
        // SAFETY: as above.
        let generate = unsafe { libc::dlsym(handle, c"crypt_gensalt_rn".as_ptr()) };
        if crypt_r.is_null() {
            return None;
        }
        // SAFETY: the function of this name has this type, by crypt_r(3); its third argument is a
        // pointer to a struct, which is passed like any other pointer.
        let crypt_r = unsafe { std::mem::transmute::<*mut c_void, CryptR>(crypt_r) };
        let generate = (!generate.is_null())
            // SAFETY: the function of this name has this type, by crypt_gensalt(3).
            .then(|| unsafe { std::mem::transmute::<*mut c_void, Generate>(generate) });
        Some(Self { crypt_r, generate })
    }
}

/// A type that may be overwritten with zeros.
///
/// # Safety
///
/// All-zero bytes must be a valid value of the type.
unsafe trait Wipe {}

// SAFETY: any bytes are a valid integer.
unsafe impl Wipe for u8 {}
// SAFETY: as above.
unsafe impl Wipe for u128 {}

/// Overwrites data about a password. The compiler cannot optimise this away.
fn wipe<T: Wipe>(secret: &mut [T]) {
    let bytes = size_of_val(secret);
    // SAFETY: `secret` has this many bytes, is writable and borrowed for the call, and holds valid
    // values afterwards, as the trait promises.
    unsafe { libc::explicit_bzero(secret.as_mut_ptr().cast(), bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes of "sesame".
    const HASHES: [&str; 3] = [
        "$6$salt$14r3nF05sTyFT6Az9BZiefcxxdriB1dtvMNuQlud3vnILbBU4O2UmqOCZ7Uvskulee0.2lRLq3wyq7GYJOdU80",
        "$y$j9T$snNuYlRTZeF4fetxkmGG1/$lB4eZnIg/epYVfQdZcNMI7TIrMNMZwS9ChI087CbD60",
        "$2b$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O",
    ];

    fn is_there() -> bool {
        let answer = crypt("", "");
        if let Err(error) = &answer {
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
        answer.is_ok()
    }

    #[test]
    fn a_hash_comes_out_again_for_its_password() {
        if !is_there() {
            return;
        }
        for hash in HASHES {
            // An older library knows fewer methods.
            if let Some(hashed) = crypt("sesame", hash).unwrap() {
                assert_eq!(hashed, hash);
                assert_ne!(crypt("Sesame", hash).unwrap().unwrap(), hash);
            }
        }
        assert!(crypt("sesame", HASHES[0]).unwrap().is_some());
    }

    #[test]
    fn what_is_no_setting_gives_no_hash() {
        if !is_there() {
            return;
        }
        for setting in ["", "*", "!", "*0", "!$6$salt$", "x", "$", "$$$", "a\0b"] {
            assert_eq!(crypt("sesame", setting).unwrap(), None, "{setting:?}");
        }
        assert_eq!(crypt("ses\0ame", HASHES[0]).unwrap(), None);
    }

    #[test]
    fn a_new_setting_is_one() {
        if !is_there() {
            return;
        }
        if let Some(setting) = crypt_setting().unwrap() {
            let hashed = crypt("sesame", &setting).unwrap().unwrap();
            assert!(hashed.starts_with(&setting), "{hashed} for {setting}");
        }
    }
}
