//! What a signal does to a process with a server, in every concurrency model.

#[cfg(target_os = "linux")]
fn main() {
    use linux::*;

    if let Some(model) = std::env::var_os(MODEL) {
        return serve(model.to_str().unwrap());
    }
    for model in MODELS {
        a_server_outlived_its_terminal(model);
        signals_that_mean_something_are_caught(model);
        a_panic_in_a_variable_of_the_upgrade_left_the_server_deaf(model);
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::env;
    use std::io::{BufRead, BufReader, Lines};
    use std::net::Ipv4Addr;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::FtpHandler;
    use ftpdlib_servers::{Concurrency, FtpServerBuilder, ServeOptions, Upgrade};

    /// Tells a child process which server to run.
    pub(super) const MODEL: &str = "FTPDLIB_TEST_MODEL";

    /// Tells a child process to use SIGHUP and SIGUSR2, and whether it upgrades itself without a
    /// panic.
    const TAUGHT: &str = "FTPDLIB_TEST_TAUGHT";

    const PANICS: &str = "panics";

    pub(super) const MODELS: [&str; 6] = [
        "async",
        "by hand",
        "loops",
        "multi-thread",
        "pre-fork",
        "multi-proc",
    ];

    const SIGHUP: i32 = 1;
    const SIGUSR2: i32 = 12;

    /// Serves until a signal comes, and prints which callbacks were called.
    pub(super) fn serve(model: &str) {
        let concurrency = match model {
            "loops" => Concurrency::Async { threads: 2 },
            "multi-thread" => Concurrency::MultiThread,
            "multi-proc" => Concurrency::MultiProcess,
            _ => Concurrency::default(),
        };
        let mut server = FtpServerBuilder::new(FtpHandler::new(DummyAuthorizer::new()))
            .listen((Ipv4Addr::LOCALHOST, 0))
            .concurrency(concurrency)
            .build()
            .unwrap();
        let processes = if model == "pre-fork" { 2 } else { 1 };
        let mut options = ServeOptions::default()
            .worker_processes(processes)
            .on_started(|| tell("started"))
            .on_stopping(|| tell("stopping"));
        if let Ok(taught) = env::var(TAUGHT) {
            let script = ["sh", "-c", "echo $WORD"];
            let upgrade = Upgrade::new("/bin/sh", script).variable("WORD", move || {
                if taught == PANICS {
                    tell("panic");
                    panic!("a variable of the upgrade");
                }
                "upgrade"
            });
            options = options.on_reload(|| tell("reload")).upgrade(upgrade);
        }
        if model != "by hand" {
            server.serve_forever(options).unwrap();
            return;
        }
        server.serve_forever(options.blocking(false)).unwrap();
        while !server.is_over() {
            let turn = ServeOptions::default().blocking(false);
            server.serve_forever(turn).unwrap();
        }
    }

    #[expect(clippy::print_stdout, reason = "the test reads it")]
    fn tell(line: &str) {
        println!("{line}");
    }

    /// A server in a process group of its own.
    struct Server {
        process: Child,
        told: Lines<BufReader<ChildStdout>>,
    }

    impl Server {
        fn start(model: &str, taught: Option<&str>) -> Self {
            // Whoever started the test may have ignored signals, as `nohup` does.
            let mut command = Command::new("env");
            command
                .arg("--default-signal=HUP,USR2")
                .arg(env::current_exe().unwrap());
            command.env(MODEL, model).process_group(0);
            if let Some(taught) = taught {
                command.env(TAUGHT, taught);
            }
            let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
            let told = BufReader::new(process.stdout.take().unwrap()).lines();
            let mut server = Self { process, told };
            server.expect("started");
            server
        }

        /// Sends a signal to all processes of the server, as a terminal does.
        fn signal(&self, name: &str) {
            let group = format!("-{}", self.process.id());
            let sent = Command::new("kill")
                .args(["-s", name, "--", &group])
                .status();
            assert!(sent.unwrap().success());
        }

        fn expect(&mut self, line: &str) {
            assert_eq!(self.told.next().unwrap().unwrap(), line);
        }

        /// Waits until all processes of the server have ended.
        fn wait(mut self) -> ExitStatus {
            assert!(self.told.next().is_none());
            self.process.wait().unwrap()
        }
    }

    pub(super) fn a_server_outlived_its_terminal(model: &str) {
        for (name, number) in [("HUP", SIGHUP), ("USR2", SIGUSR2)] {
            let server = Server::start(model, None);
            server.signal(name);
            assert_eq!(server.wait().signal(), Some(number), "{name} {model}");
        }
    }

    pub(super) fn signals_that_mean_something_are_caught(model: &str) {
        let mut server = Server::start(model, Some(""));
        for (name, line) in [("HUP", "reload"), ("USR2", "upgrade"), ("TERM", "stopping")] {
            server.signal(name);
            server.expect(line);
        }
        assert!(server.wait().success(), "{model}");
    }
    pub(super) fn a_panic_in_a_variable_of_the_upgrade_left_the_server_deaf(model: &str) {
        let mut server = Server::start(model, Some(PANICS));
        for (name, line) in [("USR2", "panic"), ("HUP", "reload"), ("TERM", "stopping")] {
            server.signal(name);
            server.expect(line);
        }
        assert!(server.wait().success(), "{model}");
    }
}
