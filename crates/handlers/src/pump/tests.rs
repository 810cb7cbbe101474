use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, mpsc};

use ftpdlib_authorizers::{Authorizer, DummyAuthorizer, LoginRequest, User};
use ftpdlib_filesystems::{Filesystem, Layer, Layered, MemoryFs};
use ftpdlib_ioloop::{Flow, Handler, IoLoop, Pool, Ready, Socket};
use ftpdlib_proto::VirtualPath;
use ftpdlib_session::{Action, Answer, Job, WriteHow};

use super::*;
use crate::jobs::{self, enter};
use crate::{DtpHandler, FtpHandler, Limits};

/// An account's service, and an upload into a file of it, which is written on threads if it is not
/// `local`.
fn upload(dtp: DtpHandler, local: bool) -> (Arc<Service>, Transfer<Payload>) {
    let authorizer = DummyAuthorizer::new();
    let user = User::new("user", "12345", std::env::temp_dir()).perm("w");
    authorizer.add_user(user).unwrap();
    let here = (Ipv4Addr::LOCALHOST, 2).into();
    let request = LoginRequest::new("user", "12345", here, here);
    let login = authorizer.authenticate(&request).unwrap();
    let handler = FtpHandler::new(authorizer)
        .dtp_handler(dtp)
        .abstracted_fs(move |_| {
            let files: Arc<dyn Filesystem> = Arc::new(MemoryFs::new());
            Ok(Arc::new(Layered::new(Local(local), files)))
        });
    let service = Service::new(handler, Arc::new(Limits::new(0, 0)), Pool::new()).unwrap();
    let (account, _) = enter(&service, login).unwrap();
    let action = Action::OpenWrite {
        path: VirtualPath::new(b"/file").unwrap(),
        how: WriteHow::Replace,
    };
    let Ok(Answer::Opened { payload, .. }) = jobs::run(&account, Job { perm: None, action }) else {
        panic!("the file was not opened");
    };
    let transfer = Transfer {
        payload,
        direction: Direction::Receive,
        transfer_type: TransferType::Image,
    };
    (service, transfer)
}

/// Whether a filesystem answers at once.
struct Local(bool);

impl Layer for Local {
    fn is_local(&self, _: &dyn Filesystem) -> bool {
        self.0
    }
}

/// Begins an upload over something of which no loop tells, and hands on what it comes to.
struct Unwatched {
    service: Arc<Service>,
    upload: Option<Transfer<Payload>>,
    /// What stands before the device.
    over: fn(Socket<mio::net::TcpStream>, &Asked) -> Box<dyn Transport>,
    asked: Asked,
    came_to: mpsc::Sender<Step>,
}

/// The sizes of the reads.
type Asked = Arc<Mutex<Vec<usize>>>;

impl Handler for Unwatched {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        // The system refuses to tell of the readiness of a device like this.
        let device = OwnedFd::from(File::open("/dev/null")?);
        let stream = mio::net::TcpStream::from_std(TcpStream::from(device));
        let stream = (self.over)(cx.hold(stream, Interest::NONE)?, &self.asked);
        let now = cx.now();
        let upload = self.upload.take().unwrap();
        let mut pump = Pump::new(upload, Some(stream), &self.service, None, now);
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

/// Begins an upload; what it comes to, and in reads of which sizes.
fn begin(
    (service, upload): (Arc<Service>, Transfer<Payload>),
    over: fn(Socket<mio::net::TcpStream>, &Asked) -> Box<dyn Transport>,
) -> (Step, Vec<usize>) {
    let (came_to, step) = mpsc::channel();
    let asked = Asked::default();
    IoLoop::new()
        .unwrap()
        .add(Box::new(Unwatched {
            service,
            upload: Some(upload),
            over,
            asked: Arc::clone(&asked),
            came_to,
        }))
        .unwrap();
    let asked = asked.lock().unwrap().clone();
    (step.recv().unwrap(), asked)
}

#[test]
fn a_data_connection_that_the_loop_could_not_watch_hung_until_the_transfer_stalled() {
    let (step, _) = begin(upload(DtpHandler::default(), true), |device, _| {
        Box::new(device)
    });
    assert!(matches!(step, Step::Ended(TransferEnd::LocalError, None)));
}

/// A stream from which as much comes as there is room for.
struct Endless {
    socket: Socket<mio::net::TcpStream>,
    asked: Asked,
}

impl Transport for Endless {
    fn establish(&mut self, _: &mut Context<'_>) -> io::Result<()> {
        Ok(())
    }

    fn fill_segments(&self) -> io::Result<()> {
        Ok(())
    }

    fn attach(&mut self, _: &mut Context<'_>) -> io::Result<()> {
        Ok(())
    }

    fn read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        self.asked.lock().unwrap().push(buffer.len());
        Ok(buffer.len())
    }

    fn write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self, _: &mut Context<'_>) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, _: &mut Context<'_>) -> io::Result<()> {
        Ok(())
    }

    fn interest(&self, wanted: Interest) -> Interest {
        wanted
    }

    fn is_established(&self) -> bool {
        true
    }

    fn plain(&self) -> Option<&Socket<mio::net::TcpStream>> {
        None
    }

    fn id(&self) -> SourceId {
        self.socket.id()
    }

    fn into_socket(self: Box<Self>) -> Socket<mio::net::TcpStream> {
        self.socket
    }
}

/// An upload reads pieces of `size` bytes where `set` is.
#[track_caller]
fn check_reads(set: Option<usize>, local: bool, size: usize) {
    let dtp = DtpHandler::default();
    let dtp = match set {
        Some(set) => dtp.ac_in_buffer_size(set),
        None => dtp,
    };
    let (step, asked) = begin(upload(dtp, local), |socket, asked| {
        let asked = Arc::clone(asked);
        Box::new(Endless { socket, asked })
    });
    let what = format!("{set:?} set, local: {local}");
    assert_eq!(matches!(step, Step::Yield), local, "{what}");
    let in_a_turn = if local { TURN_BYTES / size } else { 1 };
    assert_eq!(asked[..in_a_turn], vec![size; in_a_turn], "{what}");
}

#[test]
fn the_size_of_an_uploads_buffer_was_ignored_on_local_disks() {
    for local in [true, false] {
        for size in [512, 1000, 65_535, 65_536, 256 << 10] {
            check_reads(Some(size), local, size);
        }
        // The loop's own buffer is not larger.
        check_reads(Some(16 << 20), local, 256 << 10);
    }
    check_reads(None, true, 256 << 10);
    check_reads(None, false, 64 << 10);
}
