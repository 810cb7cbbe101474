//! Parses the input as a configuration file: it is accepted, or refused in one line.
#![no_main]
#![expect(
    dead_code,
    unused_imports,
    reason = "the program's modules, of which serving is left out"
)]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

// The program is not a library, so its modules are included.
#[path = "../../src/args.rs"]
mod args;
#[path = "../../src/config/mod.rs"]
mod config;
#[path = "../../src/environment.rs"]
mod environment;
#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/password.rs"]
mod password;
#[path = "../../src/settings/mod.rs"]
mod settings;
#[path = "../../src/text_file.rs"]
mod text_file;
#[path = "../../src/unavailable.rs"]
mod unavailable;
#[path = "../../src/value.rs"]
mod value;

use args::Args;
use config::ConfigFile;
use environment::Environment;
use settings::Settings;

static ARGS: LazyLock<Args> =
    LazyLock::new(|| Args::read(["ftpdlib"]).expect("no option is wrong where there is none"));

fuzz_target!(|text: &str| {
    let outcome = ConfigFile::parse(Path::new("f.toml"), text.to_owned())
        .and_then(|file| Settings::merge(&ARGS, &Environment::default(), Some(&file)));
    if let Err(error) = outcome {
        let line = error.to_string();
        assert!(line.starts_with("f.toml:"), "{line:?}");
        assert!(!line.contains(ftpdlib::proto::is_disruptive), "{line:?}");
    }
});
