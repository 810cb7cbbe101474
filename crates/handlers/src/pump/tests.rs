use std::fs::File;
use std::io::{Read, Write};
use std::iter;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use ftpdlib_authorizers::{DummyAuthorizer, User};
use ftpdlib_filesystems::{Filesystem, Layer, Layered, MemoryFs};
use ftpdlib_ioloop::{Context, Flow, Handler, IoLoop, Ready, Socket};
use ftpdlib_proto::{ByteRange, FactSet, NameEncoding, TransferType, VirtualPath};
use ftpdlib_session::{Action, Answer, Job, ListFormat, WriteHow};

use super::meter::{FIRST_BYTES, PIECE_COST};
use super::*;
use crate::{DtpHandler, FtpHandler, jobs, testing};

/// The transfer of what is opened by `action`, on threads if it is not `local`.
fn open(
    dtp: DtpHandler,
    local: bool,
    files: MemoryFs,
    action: Action,
    direction: TransferDirection,
) -> Transfer<Payload> {
    let authorizer = DummyAuthorizer::new();
    let user = User::new("user", "12345", std::env::temp_dir()).perm("lrw");
    authorizer.add_user(user).unwrap();
    let files: Arc<dyn Filesystem> = Arc::new(files);
    let handler = FtpHandler::new(authorizer)
        .dtp_handler(dtp)
        .abstracted_fs(move |_| Ok(Arc::new(Layered::new(Local(local), Arc::clone(&files)))));
    let account = testing::enter_as_user(&testing::service(handler));
    let Ok(Answer::Opened { payload, .. }) = jobs::run(&account, Job { perm: None, action }) else {
        panic!("nothing was opened");
    };
    Transfer {
        payload,
        direction,
        over: Over::Data,
        transfer_type: TransferType::Image,
        after_rest: false,
    }
}

fn pump(transfer: Transfer<Payload>, stream: Box<dyn Transport>, now: Instant) -> Pump {
    let limits = &transfer.payload.account.service().limits;
    let permit = limits.acquire_unnamed().unwrap();
    let connection = DataConnection { stream, permit };
    let Ok(pump) = Pump::new(transfer, Some(connection), now) else {
        panic!("it has a data connection");
    };
    pump
}

/// An upload into a file.
fn upload(dtp: DtpHandler, local: bool) -> Transfer<Payload> {
    let action = Action::OpenWrite {
        path: VirtualPath::new(b"/file").unwrap(),
        how: WriteHow::Replace,
    };
    open(
        dtp,
        local,
        MemoryFs::new(),
        action,
        TransferDirection::Upload,
    )
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
    upload: Option<Transfer<Payload>>,
    /// What stands before the device.
    over: fn(Socket<mio::net::TcpStream>, &Asked) -> Box<dyn Transport>,
    /// The control connection is lost at once.
    lost: bool,
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
        let stream = (self.over)(cx.register_deferred(stream, Interest::NONE)?, &self.asked);
        let now = cx.now();
        let upload = self.upload.take().unwrap();
        let mut pump = pump(upload, stream, now);
        let mut pcx = PumpContext {
            cx,
            replies: &mut Vec::new(),
        };
        let mut step = pump.begin(&mut pcx);
        if self.lost {
            step = pump.abort(TransferEnd::ControlLost, &mut pcx);
        } else if matches!(step, Step::Wait(_)) {
            // The end of a job, for instance, may run it again in the same turn.
            step = pump.run(&mut pcx);
        }
        self.came_to.send(step).unwrap();
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(Flow::Continue)
    }
}

/// Begins an upload; what it comes to, and in reads of which sizes.
fn begin(
    upload: Transfer<Payload>,
    over: fn(Socket<mio::net::TcpStream>, &Asked) -> Box<dyn Transport>,
) -> (Step, Vec<usize>) {
    begin_and(false, upload, over)
}

/// The same, where the control connection may be `lost` then.
fn begin_and(
    lost: bool,
    upload: Transfer<Payload>,
    over: fn(Socket<mio::net::TcpStream>, &Asked) -> Box<dyn Transport>,
) -> (Step, Vec<usize>) {
    let (came_to, step) = mpsc::channel();
    let asked = Asked::default();
    IoLoop::new()
        .unwrap()
        .add(Box::new(Unwatched {
            upload: Some(upload),
            over,
            lost,
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

/// A stream from which as much comes as there is room for, and which takes all it is given.
struct Endless {
    socket: Socket<mio::net::TcpStream>,
    asked: Asked,
    /// What came with each piece.
    overhead: usize,
    /// Nothing comes but that.
    empty: bool,
    /// Others come first with what it needs to be established.
    put_off: bool,
}

impl Endless {
    fn new(socket: Socket<mio::net::TcpStream>, asked: &Asked) -> Self {
        let asked = Arc::clone(asked);
        Self {
            socket,
            asked,
            overhead: 0,
            empty: false,
            put_off: false,
        }
    }
}

impl Transport for Endless {
    fn establish(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.put_off {
            cx.note_unread(self.id());
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    }

    fn fill_segments(&self) -> io::Result<()> {
        Ok(())
    }

    fn finish_registration(&mut self, _: &mut Context<'_>) -> io::Result<()> {
        Ok(())
    }

    fn read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        self.asked.lock().unwrap().push(buffer.len());
        if self.empty {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(buffer.len())
    }

    fn take_overhead(&mut self) -> usize {
        self.overhead
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
        !self.put_off
    }

    fn plain(&self) -> Option<&Socket<mio::net::TcpStream>> {
        None
    }

    fn socket(&self) -> &Socket<mio::net::TcpStream> {
        &self.socket
    }

    fn into_socket(self: Box<Self>) -> Socket<mio::net::TcpStream> {
        self.socket
    }
}

#[test]
fn an_upload_was_lost_with_its_client_while_other_handshakes_came_first() {
    let (step, _) = begin_and(
        true,
        upload(DtpHandler::default(), true),
        |socket, asked| {
            let mut stream = Endless::new(socket, asked);
            stream.put_off = true;
            Box::new(stream)
        },
    );
    assert!(matches!(step, Step::Yield));
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
        Box::new(Endless::new(socket, asked))
    });
    let what = format!("{set:?} set, local: {local}");
    // Threads may be fast enough for all of a turn, too.
    let is_due = matches!(step, Step::Yield) || !local && matches!(step, Step::Working);
    assert!(is_due, "{what}");
    let in_a_turn = if local {
        FIRST_BYTES / size.max(PIECE_COST)
    } else {
        1
    };
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

#[test]
fn tiny_records_kept_the_loop_for_a_quarter_of_a_second() {
    let dtp = DtpHandler::default().ac_in_buffer_size(4096);
    // As many records of a byte as there are bytes to be read.
    let (step, asked) = begin(upload(dtp, true), |socket, asked| {
        let overhead = 22 * 4096;
        Box::new(Endless {
            overhead,
            ..Endless::new(socket, asked)
        })
    });
    assert!(matches!(step, Step::Yield));
    assert_eq!(asked.len(), 1);
}

#[test]
fn records_that_gave_nothing_counted_for_nothing() {
    let (step, asked) = begin(upload(DtpHandler::default(), true), |socket, asked| {
        Box::new(Endless {
            overhead: 22 * 4096,
            empty: true,
            ..Endless::new(socket, asked)
        })
    });
    assert!(matches!(step, Step::Yield));
    assert_eq!(asked.len(), 1);
}

/// A listing that seems to have begun two minutes ago, and tells after each of its pieces of work
/// whether it is stalled.
struct Listed {
    listing: Option<Transfer<Payload>>,
    pump: Option<Pump>,
    stalled: mpsc::Sender<bool>,
}

/// A turn of `pump`, whose replies nobody reads.
fn run(pump: &mut Pump, cx: &mut Context<'_>) -> Step {
    pump.run(&mut PumpContext {
        cx,
        replies: &mut Vec::new(),
    })
}

impl Listed {
    fn go_on(&mut self, cx: &mut Context<'_>) -> Step {
        let (now, pump) = (cx.now(), self.pump.as_mut().unwrap());
        let step = run(pump, cx);
        self.stalled.send(pump.is_stalled(now)).unwrap();
        step
    }
}

impl Handler for Listed {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let device = OwnedFd::from(File::open("/dev/null")?);
        let stream = mio::net::TcpStream::from_std(TcpStream::from(device));
        let socket = cx.register_deferred(stream, Interest::NONE)?;
        let asked = Asked::default();
        let stream = Box::new(Endless::new(socket, &asked));
        let began = cx.now() - Duration::from_secs(120);
        let listing = self.listing.take().unwrap();
        self.pump = Some(pump(listing, stream, began));
        assert!(matches!(self.go_on(cx), Step::Working));
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(Flow::Continue)
    }

    fn notified(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        match self.go_on(cx) {
            Step::Working => Ok(Flow::Continue),
            _ => Ok(Flow::Close),
        }
    }
}

/// The names of so many directories.
pub(super) fn names(count: usize, local: bool, dtp: DtpHandler) -> Transfer<Payload> {
    listing(ListFormat::Names, count, local, dtp)
}

/// A listing of so many directories.
fn listing(format: ListFormat, count: usize, local: bool, dtp: DtpHandler) -> Transfer<Payload> {
    let files = MemoryFs::new();
    for number in 0..count {
        let path = VirtualPath::new(number.to_string()).unwrap();
        files.mkdir(&path).unwrap();
    }
    let action = Action::OpenList {
        path: VirtualPath::root(),
        whole: None,
        prefix: Vec::new(),
        format,
        encoding: NameEncoding::UTF_8,
    };
    open(dtp, local, files, action, TransferDirection::Download)
}

/// So many directories are listed in one turn, unless the machine has no time for it.
#[track_caller]
fn check_one_turn(format: ListFormat, count: usize) {
    let is_one = || {
        let listing = listing(format, count, true, DtpHandler::default());
        let (step, _) = begin(listing, |socket, asked| {
            Box::new(Endless::new(socket, asked))
        });
        matches!(step, Step::Ended(TransferEnd::Complete, None))
    };
    assert!((0..100).any(|_| is_one()), "{format:?} of {count}");
}

#[test]
fn small_listings_were_sent_a_turn_after_they_were_made() {
    let facts = ListFormat::Facts(FactSet::default());
    for format in [ListFormat::Long, ListFormat::Names, facts] {
        check_one_turn(format, 0);
        check_one_turn(format, 10);
    }
}

#[test]
fn names_took_as_many_turns_as_if_there_were_something_to_look_up() {
    check_one_turn(ListFormat::Names, 300);
}

#[test]
fn a_listing_was_stalled_while_its_names_were_collected() {
    let dtp = DtpHandler::default().timeout(Duration::from_secs(60));
    // Too many to be collected and sorted in one piece of work.
    let listing = names(5_000, false, dtp);
    let (stalled, told) = mpsc::channel();
    let mut events = IoLoop::new().unwrap();
    let listed = Listed {
        listing: Some(listing),
        pump: None,
        stalled,
    };
    events.add(Box::new(listed)).unwrap();
    events.run().unwrap();
    let told: Vec<_> = told.iter().collect();
    // Nothing has been done before the first piece of work.
    assert_eq!(told.iter().filter(|&&stalled| stalled).count(), 1);
    assert!(told[0] && told.len() > 3, "{told:?}");
}

/// A listing that is broken off while it waits for a thread to sort its names.
struct BrokenOff {
    listing: Option<Transfer<Payload>>,
}

impl Handler for BrokenOff {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let listing = self.listing.take().unwrap();
        let account = Arc::clone(&listing.payload.account);
        let lane = &account.service().lanes.sorting;
        let gates: Vec<_> = iter::repeat_with(|| {
            let (open, gate) = mpsc::channel::<()>();
            lane.submit(move || gate.recv().unwrap_or_default())
                .map(|()| open)
        })
        .take(ftpdlib_sys::usable_cpus())
        .collect::<Result<_, _>>()?;
        let device = OwnedFd::from(File::open("/dev/null")?);
        let stream = mio::net::TcpStream::from_std(TcpStream::from(device));
        let socket = cx.register_deferred(stream, Interest::NONE)?;
        let asked = Asked::default();
        let stream = Box::new(Endless::new(socket, &asked));
        let mut pump = pump(listing, stream, cx.now());
        loop {
            // As in the turns to come.
            pump.meter.begin(Instant::now());
            match run(&mut pump, cx) {
                Step::Yield => {}
                Step::Working => break,
                _ => panic!("the listing is over"),
            }
        }
        drop(pump);
        assert_eq!(Arc::strong_count(&account), 1, "the listing is still there");
        drop(gates);
        cx.stop();
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(Flow::Continue)
    }
}

#[test]
fn listings_that_were_broken_off_kept_their_directories_open_and_were_sorted_for_nobody() {
    let listing = names(5_000, true, DtpHandler::default());
    let listing = Some(listing);
    let broken_off = BrokenOff { listing };
    IoLoop::new().unwrap().add(Box::new(broken_off)).unwrap();
}

/// A download whose client takes nothing any more; or, if it `reads`, something after the first
/// look, whose place in the socket is taken by other bytes, as those that TLS held back would. Then
/// it is looked at so many seconds after it began, and is stalled or not.
struct Slow {
    download: Option<Transfer<Payload>>,
    reads: bool,
    told: Vec<(u64, bool)>,
}

impl Slow {
    fn pump(&mut self, ours: Socket<mio::net::TcpStream>, cx: &mut Context<'_>) -> Pump {
        let download = self.download.take().unwrap();
        let stream: Box<dyn Transport> = Box::new(ours);
        let mut pump = pump(download, stream, cx.now());
        let step = run(&mut pump, cx);
        assert!(matches!(step, Step::Wait(Interest::WRITE)));
        pump
    }
}

impl Handler for Slow {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket2::SockRef::from(&listener).set_recv_buffer_size(64 << 10)?;
        let ours = TcpStream::connect(listener.local_addr()?)?;
        let mut theirs = listener.accept()?.0;
        ours.set_nonblocking(true)?;
        // A turn fills both buffers.
        socket2::SockRef::from(&ours).set_send_buffer_size(64 << 10)?;
        let mut held_back = ours.try_clone()?;
        let ours = cx.register(mio::net::TcpStream::from_std(ours), Interest::NONE)?;
        let (began, mut pump) = (cx.now(), self.pump(ours, cx));
        // Longer than an acknowledgement may be on its way.
        loop {
            let acknowledged = pump.acknowledged();
            thread::sleep(Duration::from_millis(250));
            if pump.acknowledged() == acknowledged {
                break;
            }
        }
        let look_at = pump.deadline().unwrap();
        assert!(look_at < began + Duration::from_secs(30));
        assert!(!pump.is_stalled(look_at));
        let before = pump.acknowledged();
        while self.reads && pump.acknowledged() == before {
            theirs.read_exact(&mut [0])?;
        }
        while self.reads && held_back.write(&[0; 4096]).is_ok() {}
        for (seconds, is_stalled) in &self.told {
            let at = began + Duration::from_secs(*seconds);
            assert_eq!(pump.deadline(), Some(at), "{seconds} s");
            assert_eq!(pump.is_stalled(at), *is_stalled, "{seconds} s");
        }
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(Flow::Continue)
    }
}

#[test]
fn a_download_that_its_client_read_slowly_was_stalled() {
    for (reads, told) in [
        (false, vec![(60, true)]),
        (true, vec![(60, false), (120, true)]),
    ] {
        let files = MemoryFs::new();
        files.insert("/file", vec![0; TURN_BYTES]).unwrap();
        let action = Action::OpenRead {
            path: VirtualPath::new(b"/file").unwrap(),
            range: ByteRange::default(),
        };
        let dtp = DtpHandler::default().timeout(Duration::from_secs(60));
        let download = open(dtp, true, files, action, TransferDirection::Download);
        IoLoop::new()
            .unwrap()
            .add(Box::new(Slow {
                download: Some(download),
                reads,
                told,
            }))
            .unwrap();
    }
}
