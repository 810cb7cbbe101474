//! The concurrency models: a suite of tests runs in the default one, and again in those that its
//! own `models.rs` names.

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
/// There is none of that name, or it is one of several processes: see [`processes`].
#[track_caller]
pub fn chosen() -> Concurrency {
    match env::var(VARIABLE) {
        Ok(_) if processes().is_some() => panic!("a test with threads cannot be this server"),
        Ok(name) => named(&name).unwrap_or_else(|| panic!("{VARIABLE}: no model {name}")),
        Err(_) => Concurrency::default(),
    }
}

/// The options of the program, where the model that was chosen is one of several processes: a test
/// has threads, so that it cannot be the parent of any.
pub fn processes() -> Option<&'static [&'static str]> {
    match env::var(VARIABLE).as_deref() {
        Ok("pre-fork") => Some(&["--concurrency", "pre-fork", "--workers", "3"]),
        Ok("multi-proc") => Some(&["--concurrency", "multi-proc"]),
        _ => None,
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
    run_all_but(model, &[]);
}

/// Modules of tests that choose the models themselves.
const CHOOSE: [&str; 4] = ["models::", "programs::", "refusals::", "managed::"];

/// Does the same without the tests that have one of these words in their names.
///
/// # Panics
///
/// As [`run_all`].
#[track_caller]
pub fn run_all_but(model: &str, excluded: &[&str]) {
    if env::var_os(VARIABLE).is_some() {
        // Chosen by whoever started this program.
        return;
    }
    let again = Command::new(env::current_exe().unwrap())
        .args(
            CHOOSE
                .iter()
                .chain(excluded)
                .flat_map(|word| ["--skip", word]),
        )
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
