//! Measuring: builds what is measured and what measures, and hands over.

use std::path::Path;

use crate::Failure;
use crate::checks::{cargo, step};

/// Builds the program as it is shipped and the servers that `benches/` brings along, and runs
/// `benches/` with `options`.
pub(crate) fn bench(root: &Path, options: &[&str]) -> Result<(), Failure> {
    step(
        "program",
        cargo(root, "build --quiet --release --package ftpdlib-cli"),
    )?;
    step(
        "load client",
        cargo(
            root,
            "build --quiet --release --package ftpdlib-benches --bins",
        ),
    )?;
    let mut command = cargo(root, "run --quiet --release --package ftpdlib-benches --");
    command.args(options);
    step("benchmark", command)
}
