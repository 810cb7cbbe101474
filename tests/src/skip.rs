//! Tests that cannot be run here.

use std::fmt::Display;
use std::io::{self, Write};
use std::thread;

/// Tells that this test, or a part of it, is skipped since `why`.
///
/// A test that is skipped passes, and what such a one prints is shown to nobody; so this goes to
/// the standard error itself, which is not captured.
pub fn skipped(why: impl Display) {
    let current = thread::current();
    let test = current.name().unwrap_or("a test");
    // One write, so that no two lines are mixed.
    let line = format!("\nskipped: {test}: {why}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}
