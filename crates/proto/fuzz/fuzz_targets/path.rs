//! Virtual paths are normal, whatever they are made of. The first line is the directory.
#![no_main]

use ftpdlib_proto::VirtualPath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let newline = data
        .iter()
        .position(|&byte| byte == b'\n')
        .unwrap_or(data.len());
    let (directory, argument) = data.split_at(newline);
    let Ok(directory) = VirtualPath::new(directory) else {
        return;
    };
    let Ok(path) = directory.join(argument) else {
        return;
    };

    assert!(path.as_bytes().starts_with(b"/") && !path.as_bytes().contains(&b'\0'));
    assert!(path.is_root() || !path.as_bytes().ends_with(b"/"));
    assert!(
        path.components()
            .all(|name| !matches!(name, b"" | b"." | b".."))
    );
    assert_eq!(VirtualPath::new(path.as_bytes()), Ok(path.clone()));
    assert_eq!(VirtualPath::new(path.relative()), Ok(path.clone()));
    assert!(path.starts_with(&path) && path.starts_with(&VirtualPath::root()));
    assert!(!path.to_string().contains(ftpdlib_proto::is_disruptive));
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => {
            assert!(path.starts_with(&parent));
            assert_eq!(parent.join(name), Ok(path));
        }
        parts => assert!(path.is_root() && parts == (None, None)),
    }
});
