use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::mpsc;

use ftpdlib_authorizers::{Authorizer, DummyAuthorizer, LoginRequest, User};
use ftpdlib_filesystems::MemoryFs;
use ftpdlib_ioloop::{Flow, Handler, IoLoop, Pool, Ready};
use ftpdlib_proto::VirtualPath;
use ftpdlib_session::{Action, Answer, Job, WriteHow};

use super::*;
use crate::jobs::{self, enter};
use crate::{FtpHandler, Limits};

/// Begins an upload over something of which no loop tells, and hands on what it comes to.
struct Unwatched {
    service: Arc<Service>,
    upload: Option<Transfer<Payload>>,
    came_to: mpsc::Sender<Step>,
}

impl Handler for Unwatched {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        // The system refuses to tell of the readiness of a device like this.
        let device = OwnedFd::from(File::open("/dev/null")?);
        let stream = mio::net::TcpStream::from_std(TcpStream::from(device));
        let stream = cx.hold(stream, Interest::NONE)?;
        let now = cx.now();
        let upload = self.upload.take().unwrap();
        let mut pump = Pump::new(upload, Some(Box::new(stream)), &self.service, None, now);
        let notifier = cx.notifier();
        let mut pcx = PumpContext {
            cx,
            service: &self.service,
            notifier: &notifier,
            replies: &mut Vec::new(),
            peer: (Ipv4Addr::LOCALHOST, 1).into(),
        };
        self.came_to.send(pump.begin(&mut pcx)).unwrap();
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(Flow::Continue)
    }
}

#[test]
fn a_data_connection_that_the_loop_could_not_watch_hung_until_the_transfer_stalled() {
    let authorizer = DummyAuthorizer::new();
    let user = User::new("user", "12345", std::env::temp_dir()).perm("w");
    authorizer.add_user(user).unwrap();
    let local = (Ipv4Addr::LOCALHOST, 2).into();
    let request = LoginRequest::new("user", "12345", local, local);
    let login = authorizer.authenticate(&request).unwrap();
    let handler = FtpHandler::new(authorizer).abstracted_fs(|_| Ok(Arc::new(MemoryFs::new())));
    let service = Service::new(handler, Arc::new(Limits::new(0, 0)), Pool::new()).unwrap();
    let (account, _) = enter(&service, login).unwrap();
    let action = Action::OpenWrite {
        path: VirtualPath::new(b"/file").unwrap(),
        how: WriteHow::Replace,
    };
    let Ok(Answer::Opened { payload, .. }) = jobs::run(&account, Job { perm: None, action }) else {
        panic!("the file was not opened");
    };
    let (came_to, step) = mpsc::channel();
    let upload = Transfer {
        payload,
        direction: Direction::Receive,
        transfer_type: TransferType::Image,
    };
    IoLoop::new()
        .unwrap()
        .add(Box::new(Unwatched {
            service,
            upload: Some(upload),
            came_to,
        }))
        .unwrap();
    let step = step.recv().unwrap();
    assert!(matches!(step, Step::Ended(TransferEnd::LocalError, None)));
}
