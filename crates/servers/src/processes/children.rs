//! The child processes of a server, in their parent.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ftpdlib_handlers::Limits;
use ftpdlib_ioloop::{Context, Direction, Interest, Pool, Socket, SourceId, TimerId};
use ftpdlib_sys::{ChildEnd, ChildProcess, Fork, Identity, exit_at_once, expect_broken_pipe};
use log::Level;
use mio::net::UnixStream;

use super::child::{ChildOptions, NewChild};
use super::parent_link::{PING, READY, StopRequest, file_byte};
use crate::accepting::ClientToken;
use crate::shared::Shared;

/// How long children may take to end when the server is dropped. Then they are killed.
const DROP_TIMEOUT: Duration = Duration::from_secs(1);

/// How long children may take to end after the grace period of a stop. Then they are killed.
const KILL_DELAY: Duration = Duration::from_secs(5);

/// The children of a server, each with a table of the limits and a link to the parent.
///
/// A link carries requests to the child. It ends when either process dies, so the other one notices
/// without polling and without catching a signal.
pub(crate) struct Children {
    shared: Arc<Shared>,
    limits: Arc<Limits>,
    /// Has no thread yet: a process with threads must not fork.
    pool: Pool,
    options: ChildOptions,
    list: Vec<Child>,
    free_tables: BTreeSet<usize>,
    /// The latest stop request sent to all children.
    stop_requested: Option<StopRequest>,
    /// When it fires, the remaining children are killed.
    kill_timer: Option<TimerId>,
}

/// A child process.
struct Child {
    link: Socket<UnixStream>,
    process: ChildProcess,
    table: usize,
    generation: u64,
    since: Instant,
    /// It has reported that it accepts clients.
    ready: bool,
    /// It was asked to stop accepting clients.
    retired: bool,
    /// How many pings in a row are unanswered.
    unanswered_pings: u32,
    /// Files that do not fit into the link yet: the newest one for each number.
    unsent: BTreeMap<u8, Rc<File>>,
    #[expect(
        dead_code,
        reason = "held, not read: the server is not over while a child lives"
    )]
    token: ClientToken,
}

/// Which side of a fork this is.
pub(crate) enum ForkSide<'a> {
    /// The parent, with the child's process ID.
    Parent(u32),
    /// The child.
    Child(NewChild<'a>),
}

/// What a parent learns from the link to a child.
pub(crate) enum ChildMessage {
    /// The child has begun to accept clients.
    Ready,
    /// The link has ended, so the child has too.
    Exited(ExitedChild),
}

/// A child that has ended and was cleaned up.
pub(crate) struct ExitedChild {
    pub(crate) process: u32,
    pub(crate) end: io::Result<ChildEnd>,
    pub(crate) generation: u64,
    /// How long the child lived.
    pub(crate) age: Duration,
}

impl Children {
    /// Shares the limits and the numbers of sessions with future children: at most `most` at a
    /// time, each with clients of at most `addresses` different addresses.
    ///
    /// # Errors
    ///
    /// The process has threads and must not fork, or there is no memory to share.
    pub(crate) fn prepare(
        shared: &Arc<Shared>,
        pool: &Pool,
        options: ChildOptions,
        most: usize,
        addresses: usize,
    ) -> io::Result<Self> {
        ftpdlib_sys::check_forkable()?;
        let service = shared.service();
        service.limits().share(most, addresses)?;
        service.sessions().share()?;
        Ok(Self {
            shared: Arc::clone(shared),
            limits: Arc::clone(service.limits()),
            pool: pool.clone(),
            options,
            list: Vec::new(),
            free_tables: (0..most).collect(),
            stop_requested: None,
            kill_timer: None,
        })
    }

    /// How often the children's loops are checked.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.options.watchdog
    }

    /// Takes a table of the limits. This process counts in it until the [fork](Self::fork), the
    /// child afterwards. Returns `None` if no more children are allowed.
    pub(crate) fn take_table(&mut self) -> Option<usize> {
        let table = self.free_tables.pop_first()?;
        self.limits.enter(table);
        Some(table)
    }

    /// Gives back a table that no child uses.
    pub(crate) fn return_table(&mut self, table: usize) {
        self.free_tables.insert(table);
    }

    /// Forks. The child forgets the parent's other children. If it cannot get a loop of its own, it
    /// calls `before_end` and ends at once.
    ///
    /// # Errors
    ///
    /// The system cannot fork or has no descriptors. No child exists then, and the table is free.
    pub(crate) fn fork(
        &mut self,
        table: usize,
        generation: u64,
        cx: &mut Context<'_>,
        before_end: impl FnOnce(),
    ) -> io::Result<ForkSide<'_>> {
        // Otherwise both processes would write the buffered lines.
        log::logger().flush();
        let forked = UnixStream::pair().and_then(|links| Ok((links, ftpdlib_sys::fork()?)));
        let ((ours, theirs), fork) = forked.inspect_err(|_| self.return_table(table))?;
        let mut process = match fork {
            Fork::Child => {
                // Before anything else: dropping the other children may wake the loop.
                if let Err(error) = cx.leave_to_parent() {
                    log::error!("a process that was just started ends: {error}");
                    before_end();
                    exit_at_once(1);
                }
                self.list.clear();
                return Ok(ForkSide::Child(NewChild {
                    link: theirs,
                    shared: &self.shared,
                    pool: self.pool.clone(),
                    options: &self.options,
                }));
            }
            Fork::Parent(process) => process,
        };
        drop(theirs);
        match cx.register(ours, Interest::READ) {
            Ok(link) => {
                let id = process.id();
                self.list.push(Child {
                    link,
                    process,
                    table,
                    generation,
                    since: Instant::now(),
                    ready: false,
                    retired: false,
                    unanswered_pings: 0,
                    unsent: BTreeMap::new(),
                    token: ClientToken::new(&self.shared),
                });
                Ok(ForkSide::Parent(id))
            }
            Err(error) => {
                // Its link is closed, so it would end anyway.
                let ended = end(&mut process, self.options.run_as.as_ref());
                self.limits.clear(table);
                self.return_table(table);
                Err(ended.err().unwrap_or(error))
            }
        }
    }

    /// Retires children older than `generation`, the oldest first, so that `wanted` children accept
    /// clients, old and new ones together. A retired child stops accepting clients.
    ///
    /// Children that do not accept clients yet are not counted: their start may still fail.
    pub(crate) fn retire(&mut self, generation: u64, wanted: usize, cx: &mut Context<'_>) {
        let serving = self
            .list
            .iter()
            .map(|child| (child.generation, child.is_accepting()));
        let retiring = retire_count(wanted, generation, serving);
        let old = self
            .list
            .iter_mut()
            .filter(|child| child.is_old(generation));
        for child in old.take(retiring) {
            child.retired = true;
            child.send_request(StopRequest::Close, cx);
        }
    }

    /// Whether any child older than `generation` accepts clients.
    pub(crate) fn have_old(&self, generation: u64) -> bool {
        self.list.iter().any(|child| child.is_old(generation))
    }

    /// Sends all children a stop request, once. Children that ignore the last kind are killed.
    pub(crate) fn request_stop(&mut self, request: StopRequest, cx: &mut Context<'_>) {
        if self.stop_requested >= Some(request) {
            return;
        }
        self.stop_requested = Some(request);
        for child in &self.list {
            child.send_request(request, cx);
        }
        if request == StopRequest::CloseAll {
            self.kill_timer = Some(cx.start_timer_after(KILL_DELAY));
        }
    }

    /// Hands files over to all children.
    pub(crate) fn hand_over(&mut self, files: Vec<(u8, File)>, cx: &mut Context<'_>) {
        for (number, file) in files {
            let file = Rc::new(file);
            for child in &mut self.list {
                child.unsent.insert(number, Rc::clone(&file));
                child.send_files(cx);
            }
        }
    }

    /// Handles a timer; returns whether it belongs to the children.
    pub(crate) fn timeout(&mut self, timer: TimerId) -> bool {
        let ours = self.kill_timer == Some(timer);
        if ours {
            self.kill_all();
        }
        ours
    }

    /// Checks whether the children's loops turn. Kills those that have left `most` pings
    /// unanswered; the end of their links follows.
    ///
    /// It counts pings rather than time, since time also passes while the whole server is
    /// suspended.
    pub(crate) fn ping(&mut self, most: u32, cx: &mut Context<'_>) {
        for child in &mut self.list {
            let process = child.process.id();
            if child.unanswered_pings == most {
                log::error!("process {process} hangs and is killed");
                if let Err(error) = kill(&child.process, self.options.run_as.as_ref()) {
                    log::error!("process {process} cannot be killed: {error}");
                }
            } else if child.unanswered_pings < most {
                let write = |mut link: &UnixStream| expect_broken_pipe(|| link.write(&[PING]));
                if let Err(error) = cx.try_io(&child.link, Direction::Write, write) {
                    log::debug!("process {process} is not asked: {error}");
                }
            }
            child.unanswered_pings = child.unanswered_pings.saturating_add(1);
        }
    }

    /// Waits up to `most` for all children to end.
    fn wait_for_all(&mut self, most: Duration) {
        wait_until(most, || {
            self.list
                .retain_mut(|child| matches!(child.process.try_wait(), Ok(None)));
            self.list.is_empty()
        });
    }

    /// Reads a message, or the end of the child, from the link that is ready.
    pub(crate) fn read_link(
        &mut self,
        source: SourceId,
        cx: &mut Context<'_>,
    ) -> Option<ChildMessage> {
        let place = self
            .list
            .iter()
            .position(|child| child.link.id() == source)?;
        let child = &mut self.list[place];
        if !child.unsent.is_empty() {
            child.send_files(cx);
        }
        let mut bytes = [0; 16];
        match cx.try_io(&child.link, Direction::Read, |mut link| {
            link.read(&mut bytes)
        }) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Ok(count @ 1..) => {
                child.unanswered_pings = 0;
                let begins = !child.ready && bytes[..count].contains(&READY);
                child.ready |= begins;
                begins.then_some(ChildMessage::Ready)
            }
            Ok(0) | Err(_) => Some(ChildMessage::Exited(self.reap(place, cx))),
        }
    }

    /// Kills all children, which were asked to end before; the end of their links follows. Children
    /// that cannot be killed are left behind, so that a stop always ends.
    fn kill_all(&mut self) {
        let run_as = self.options.run_as.as_ref();
        self.list.retain(|child| {
            let process = child.process.id();
            log::warn!("process {process} is killed, since it does not end");
            let killed = kill(&child.process, run_as);
            if let Err(error) = &killed {
                log::error!("process {process} cannot be killed, and is left behind: {error}");
            }
            killed.is_ok()
        });
    }

    /// The latest stop request sent to all children.
    pub(crate) fn stop_requested(&self) -> Option<StopRequest> {
        self.stop_requested
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many children a generation has.
    pub(crate) fn count(&self, generation: u64) -> usize {
        let of_it = |child: &&Child| child.generation == generation;
        self.list.iter().filter(of_it).count()
    }

    /// Cleans up after a child: waits for the process and clears its table of the limits.
    fn reap(&mut self, place: usize, cx: &mut Context<'_>) -> ExitedChild {
        // Keeps the others in order of age.
        let mut child = self.list.remove(place);
        cx.close(child.link);
        // The system closes the child's descriptors, and so the link, shortly before the child
        // counts as dead. A child that lives on without its link is out of control: killing it ends
        // the wait.
        let end = end(&mut child.process, self.options.run_as.as_ref());
        self.limits.clear(child.table);
        self.free_tables.insert(child.table);
        ExitedChild {
            process: child.process.id(),
            end,
            generation: child.generation,
            age: child.since.elapsed(),
        }
    }
}

impl Child {
    fn send_request(&self, request: StopRequest, cx: &mut Context<'_>) {
        let bytes = [request.byte()];
        let write = |mut link: &UnixStream| expect_broken_pipe(|| link.write(&bytes));
        let told = cx.try_io(&self.link, Direction::Write, write);
        if let Err(error) = told {
            log::debug!("process {} is not told: {error}", self.process.id());
        }
    }

    /// Sends files while the link has room. The rest follows once the child has read some.
    fn send_files(&mut self, cx: &mut Context<'_>) {
        while let Some((number, file)) = self.unsent.pop_first() {
            let Some(byte) = file_byte(number) else {
                continue;
            };
            let write =
                |link: &UnixStream| ftpdlib_sys::write_with_file(link.as_fd(), byte, file.as_fd());
            match cx.try_io(&self.link, Direction::Write, write) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent.insert(number, file);
                    cx.set_interest(self.link.id(), Interest::READ | Interest::WRITE);
                    return;
                }
                Err(error) => {
                    let is_ending = error.kind() == io::ErrorKind::BrokenPipe;
                    let level = if is_ending { Level::Debug } else { Level::Warn };
                    let process = self.process.id();
                    log::log!(level, "process {process} is handed no file: {error}");
                }
            }
        }
        cx.set_interest(self.link.id(), Interest::READ);
    }

    fn is_accepting(&self) -> bool {
        self.ready && !self.retired
    }

    /// Whether it accepts clients and is older than `generation`.
    fn is_old(&self, generation: u64) -> bool {
        self.is_accepting() && self.generation < generation
    }
}

/// Kills a child, which may have become the user `run_as`.
fn kill(process: &ChildProcess, run_as: Option<&Identity>) -> io::Result<()> {
    match (process.kill(), run_as) {
        (Err(error), Some(user)) if error.kind() == io::ErrorKind::PermissionDenied => {
            // Root without CAP_KILL cannot kill another user's process, but can become that user.
            let _acting = user.assume_in_thread().map_err(|_| error)?;
            process.kill()
        }
        (killed, _) => killed,
    }
}

/// Kills a child whose link has ended, and waits for it.
fn end(process: &mut ChildProcess, run_as: Option<&Identity>) -> io::Result<ChildEnd> {
    // Most children have ended already.
    if let Some(end) = process.try_wait()? {
        return Ok(end);
    }
    let Err(error) = kill(process, run_as) else {
        return process.wait();
    };
    // It cannot be killed, but should end by itself: its link has ended.
    let mut ended = Ok(None);
    wait_until(DROP_TIMEOUT, || {
        ended = process.try_wait();
        !matches!(ended, Ok(None))
    });
    ended?.ok_or(error)
}

/// Waits until `over` returns true, at most for `most`.
fn wait_until(most: Duration, mut over: impl FnMut() -> bool) {
    let until = Instant::now() + most;
    while !over() && Instant::now() < until {
        thread::sleep(Duration::from_millis(2));
    }
}

/// How many accepting children older than `generation` are no longer needed if `wanted` children
/// should accept. `children` holds the generation of each child, and whether it accepts.
fn retire_count(
    wanted: usize,
    generation: u64,
    children: impl Iterator<Item = (u64, bool)>,
) -> usize {
    let accepting = children.filter_map(|(of, accepts)| accepts.then_some(of));
    let (old, new): (Vec<_>, Vec<_>) = accepting.partition(|&of| of < generation);
    (new.len() + old.len())
        .saturating_sub(wanted)
        .min(old.len())
}

impl Drop for Children {
    /// Leaves no child running: the remaining ones had time to end.
    fn drop(&mut self) {
        for child in &self.list {
            // A child that does not read it is killed below.
            let bytes = [StopRequest::CloseAll.byte()];
            let _ = expect_broken_pipe(|| child.link.get_ref().write(&bytes));
        }
        self.wait_for_all(DROP_TIMEOUT);
        self.kill_all();
        // A killed child that waits for a disk ends only after the disk has answered.
        self.wait_for_all(DROP_TIMEOUT);
        for child in &self.list {
            let process = child.process.id();
            log::error!("process {process} does not end, and is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    /// How many of `old` accepting children are retired, with `new` ones that accept and `started`
    /// ones that do not yet.
    #[track_caller]
    fn check(wanted: usize, new: usize, started: usize, old: usize, expected: usize) {
        let of = |generation, accepts, count| iter::repeat_n((generation, accepts), count);
        let children = of(6, true, old).chain(of(7, true, new));
        let retired = retire_count(wanted, 7, children.chain(of(7, false, started)));
        assert_eq!(retired, expected, "{wanted} wanted, {new} new, {old} old");
    }

    #[test]
    fn old_workers_make_room_one_by_one_as_new_ones_come() {
        for (wanted, new, old, expected) in [
            // None could be started: all of the old ones stay.
            (4, 0, 4, 0),
            (4, 0, 3, 0),
            // Some could.
            (4, 1, 4, 1),
            (4, 3, 4, 3),
            (4, 2, 2, 0),
            (4, 2, 3, 1),
            // All could.
            (4, 4, 4, 4),
            (4, 4, 1, 1),
            (4, 4, 0, 0),
            (1, 1, 1, 1),
            // Generations that could not be completed.
            (2, 1, 3, 2),
            (2, 2, 5, 5),
        ] {
            check(wanted, new, 0, old, expected);
        }
    }

    #[test]
    fn old_workers_made_room_for_new_ones_whose_start_could_still_fail() {
        check(4, 0, 4, 4, 0);
        check(4, 1, 3, 4, 1);
        check(1, 0, 1, 1, 0);
    }
}
