//! The `ftpdlib` program: shares a directory over FTP.
#![forbid(unsafe_code)]

mod args;
mod aside;
mod config;
mod environment;
mod error;
mod handler;
mod last_line;
mod logging;
mod notify;
mod password;
mod patience;
mod reload;
mod serve;
mod settings;
mod text_file;
mod transfer_log;
mod unavailable;
mod value;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use args::{Args, Stop};
use environment::Environment;
use error::ConfigError;
use ftpdlib::servers::process::{
    Staggered, catch_early_signals, set_early_exit_code, survive_file_size_limit,
};
use settings::Settings;
use transfer_log::TransferLogs;

#[global_allocator]
static ALLOCATOR: Staggered = Staggered;

/// The server failed while running, or could not bind.
const FAILED: u8 = 1;

/// An option or the configuration is wrong.
const WRONG: u8 = 2;

fn main() -> ExitCode {
    // Errors go to standard error, which may be a file.
    survive_file_size_limit();
    let args = match Args::read(std::env::args_os()) {
        Ok(args) => args,
        Err(Stop::Answer(answer)) => {
            // If standard output is closed, there is no way to report it.
            let _ = answer.print();
            return ExitCode::SUCCESS;
        }
        Err(Stop::Wrong(error)) => return fail(WRONG, error),
    };
    if !args.check_config {
        // An interrupted check must not look as if it had found nothing wrong.
        catch_early_signals();
    }
    logging::init(args.debug);
    let environment = Environment::of_process();
    let settings = match Settings::load(&args, &environment) {
        Ok(settings) => settings,
        Err(error) => return fail(WRONG, error),
    };
    if let Err(error) = settings.try_user() {
        return fail(WRONG, error);
    }
    if args.check_config {
        return match TransferLogs::check(&settings.log, settings.run_as.as_ref()) {
            Ok(()) => {
                settings.warnings.tell();
                settings.certificate_warnings().tell();
                ExitCode::SUCCESS
            }
            Err(error) => fail(WRONG, error),
        };
    }
    match serve::serve(settings, args, environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<ConfigError>() => fail(WRONG, error),
        Err(error) => fail(FAILED, error),
    }
}

fn fail(code: u8, error: impl Display) -> ExitCode {
    // Writing the next line may take long. A signal meanwhile must not make the exit look
    // successful.
    set_early_exit_code(code);
    // If standard error accepts nothing, only the exit code tells; `eprintln!` would panic.
    let _ = writeln!(io::stderr(), "ftpdlib: {error}");
    ExitCode::from(code)
}
