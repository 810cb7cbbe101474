//! The concurrency models: every suite runs in each of them.

use std::env;
use std::process::Command;

use ftpdlib::servers::Concurrency;

/// The environment variable that chooses the model of the servers that tests make; the library's
/// default without it. Its values are the models that [`run_all`] knows.
pub const VARIABLE: &str = "FTPDLIB_TEST_CONCURRENCY";

/// The model that was chosen.
///
/// # Panics
///
/// There is none of that name.
#[track_caller]
pub fn chosen() -> Concurrency {
    match env::var(VARIABLE) {
        Ok(name) => named(&name).unwrap_or_else(|| panic!("{VARIABLE}: no model {name}")),
        Err(_) => Concurrency::default(),
    }
}

/// The model of that name.
fn named(name: &str) -> Option<Concurrency> {
    match name {
        "async" => Some(Concurrency::Async { threads: 1 }),
        "loops" => Some(Concurrency::Async { threads: 3 }),
        "multi-thread" => Some(Concurrency::MultiThread),
        _ => None,
    }
}

/// The options of the program that choose the same model.
pub fn options() -> Vec<String> {
    match env::var(VARIABLE) {
        Ok(name) => vec!["--concurrency".into(), name],
        Err(_) => Vec::new(),
    }
}

/// Runs all tests of this program again, with the servers in another model. To be called by a test
/// in a module `models`.
///
/// # Panics
///
/// A test failed in there.
#[track_caller]
pub fn run_all(model: &str) {
    if env::var_os(VARIABLE).is_some() {
        // Chosen by whoever started this program.
        return;
    }
    let again = Command::new(env::current_exe().unwrap())
        // Tests of the program choose its models themselves.
        .args(["--skip", "models::", "--skip", "programs::"])
        .env(VARIABLE, model)
        .output()
        .unwrap();
    assert!(
        again.status.success(),
        "{model}:\n{}\n{}",
        String::from_utf8_lossy(&again.stdout),
        String::from_utf8_lossy(&again.stderr)
    );
}
