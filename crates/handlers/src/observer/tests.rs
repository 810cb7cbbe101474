use std::io;
use std::sync::Mutex;

use ftpdlib_ioloop::{Context, Flow, Handler, IoLoop, Ready, SourceId};
use ftpdlib_proto::{TransferDirection, TransferEnd, TransferType, VirtualPath};

use super::*;
use crate::testing::observed_session;

/// A note that uses its session when it is dropped.
struct Last(ObservedSession);

impl Drop for Last {
    fn drop(&mut self) {
        assert_eq!(self.0.note::<&str>().as_deref(), Some(&"next"));
    }
}

/// Sets notes in its session.
struct NoteTaker;

impl Handler for NoteTaker {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let session = observed_session(1, cx);
        session.set_note(Last(session.clone()));
        session.set_note("next");
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(Flow::Continue)
    }
}

#[test]
fn a_note_that_used_its_session_when_it_was_replaced_waited_for_itself() {
    let mut io_loop = IoLoop::new().unwrap();
    io_loop.add(Box::new(NoteTaker)).unwrap();
}

/// Notes which of its methods are called.
#[derive(Default)]
struct Noting(Mutex<Vec<&'static str>>);

impl Noting {
    fn note(&self, method: &'static str) {
        self.0.lock().unwrap().push(method);
    }
}

impl Observer for Noting {
    fn is_inline(&self) -> bool {
        self.note("is_inline");
        true
    }

    fn may_block(&self) -> bool {
        self.note("may_block");
        false
    }

    fn wants_commands(&self) -> bool {
        self.note("wants_commands");
        true
    }

    fn on_connect(&self, _: &ObservedSession) {
        self.note("on_connect");
    }

    fn on_disconnect(&self, _: &ObservedSession) {
        self.note("on_disconnect");
    }

    fn on_login(&self, _: &ObservedSession, _: &str) {
        self.note("on_login");
    }

    fn on_login_failed(&self, _: &ObservedSession, _: &str, _: &str) {
        self.note("on_login_failed");
    }

    fn on_logout(&self, _: &ObservedSession, _: &str) {
        self.note("on_logout");
    }

    fn on_file_sent(&self, _: &ObservedSession, _: &ObservedTransfer) {
        self.note("on_file_sent");
    }

    fn on_file_received(&self, _: &ObservedSession, _: &ObservedTransfer) {
        self.note("on_file_received");
    }

    fn on_incomplete_file_sent(&self, _: &ObservedSession, _: &ObservedTransfer) {
        self.note("on_incomplete_file_sent");
    }

    fn on_incomplete_file_received(&self, _: &ObservedSession, _: &ObservedTransfer) {
        self.note("on_incomplete_file_received");
    }

    fn on_rename(&self, _: &ObservedSession, _: &ObservedPath, _: &ObservedPath) {
        self.note("on_rename");
    }

    fn on_delete(&self, _: &ObservedSession, _: &ObservedPath) {
        self.note("on_delete");
    }

    fn on_mkdir(&self, _: &ObservedSession, _: &ObservedPath) {
        self.note("on_mkdir");
    }

    fn on_rmdir(&self, _: &ObservedSession, _: &ObservedPath) {
        self.note("on_rmdir");
    }

    fn on_chmod(&self, _: &ObservedSession, _: &ObservedPath, _: u32) {
        self.note("on_chmod");
    }

    fn on_other_change(
        &self,
        _: &ObservedSession,
        _: &'static str,
        _: &ObservedPath,
        _: Option<&ObservedPath>,
    ) {
        self.note("on_other_change");
    }

    fn on_command(&self, _: &ObservedSession, _: &ObservedCommand) -> Verdict {
        self.note("on_command");
        Verdict::Allow
    }
}

fn check(observer: impl Observer, session: &ObservedSession, noting: &Noting) {
    let file = ObservedPath {
        path: VirtualPath::root(),
        real_path: None,
    };
    let transfer = ObservedTransfer {
        verb: "RETR",
        direction: TransferDirection::Download,
        file: file.clone(),
        transfer_type: TransferType::Image,
        secure: false,
        end: TransferEnd::Complete,
        bytes: 0,
        duration: std::time::Duration::ZERO,
    };
    let command = ObservedCommand::new(b"NOOP");
    observer.is_inline();
    observer.may_block();
    observer.wants_commands();
    observer.on_connect(session);
    observer.on_disconnect(session);
    observer.on_login(session, "user");
    observer.on_login_failed(session, "user", "12345");
    observer.on_logout(session, "user");
    observer.on_file_sent(session, &transfer);
    observer.on_file_received(session, &transfer);
    observer.on_incomplete_file_sent(session, &transfer);
    observer.on_incomplete_file_received(session, &transfer);
    observer.on_rename(session, &file, &file);
    observer.on_delete(session, &file);
    observer.on_mkdir(session, &file);
    observer.on_rmdir(session, &file);
    observer.on_chmod(session, &file, 0o600);
    observer.on_other_change(session, "CPTO", &file, Some(&file));
    observer.on_command(session, &command);
    let called = std::mem::take(&mut *noting.0.lock().unwrap());
    let all = [
        "is_inline",
        "may_block",
        "wants_commands",
        "on_connect",
        "on_disconnect",
        "on_login",
        "on_login_failed",
        "on_logout",
        "on_file_sent",
        "on_file_received",
        "on_incomplete_file_sent",
        "on_incomplete_file_received",
        "on_rename",
        "on_delete",
        "on_mkdir",
        "on_rmdir",
        "on_chmod",
        "on_other_change",
        "on_command",
    ];
    assert_eq!(called, all);
}

/// Only a handler has what a session needs.
struct Checking;

impl Handler for Checking {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let session = observed_session(1, cx);
        let noting = Arc::new(Noting::default());
        check(Arc::clone(&noting), &session, &noting);
        let boxed: Box<dyn Observer> = Box::new(Arc::clone(&noting));
        check(boxed, &session, &noting);
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(Flow::Close)
    }
}

#[test]
fn a_pointer_does_what_its_observer_does() {
    IoLoop::new().unwrap().add(Box::new(Checking)).unwrap();
}
