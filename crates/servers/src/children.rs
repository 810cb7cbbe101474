//! The child processes of a server, as their parent knows them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ftpdlib_handlers::Limits;
use ftpdlib_ioloop::{Context, Direction, Interest, Socket, SourceId, TimerId};
use ftpdlib_sys::{ChildEnd, ChildProcess, Fork, exit_at_once};
use mio::net::UnixStream;

use crate::client::Stay;
use crate::handle::Shared;
use crate::orders::{Order, QUESTION, SERVES, byte_of_file};

/// How long children that are told to end at once may take, before they are killed.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// The same while the parent still serves, after a grace period.
const ENDING_TIME: Duration = Duration::from_secs(5);

/// All children of a server, each with a table of the limits and a link to the parent.
///
/// A link carries orders to the child. Its end tells that the child is dead, and to the child that
/// the parent is: nothing has to be asked for regularly, and no signal has to be caught.
pub(crate) struct Children {
    shared: Arc<Shared>,
    limits: Arc<Limits>,
    list: Vec<Child>,
    free_tables: BTreeSet<usize>,
    /// What all of them were told last.
    told: Option<Order>,
    /// Runs until those are killed who do not end.
    ending: Option<TimerId>,
}

/// One of them.
struct Child {
    link: Socket<UnixStream>,
    process: ChildProcess,
    table: usize,
    generation: u64,
    since: Instant,
    /// It has said that it accepts clients.
    serves: bool,
    /// It was told to accept nobody any more.
    retired: bool,
    /// Questions in a row that it has not answered.
    unanswered: u32,
    #[expect(
        dead_code,
        reason = "held, not read: the server is not over while a child lives"
    )]
    stay: Stay,
}

/// Which side of a fork this is.
pub(crate) enum Forked {
    /// The parent's, which knows the number of the child.
    Parent(u32),
    /// The child's, with its end of the link.
    Child(UnixStream),
}

/// What came over the link of a child.
pub(crate) enum Heard {
    /// It has begun to accept clients.
    Serves,
    /// Its end.
    End(Departed),
}

/// A child that has ended, after everything of it was cleared away.
pub(crate) struct Departed {
    pub(crate) process: u32,
    pub(crate) end: io::Result<ChildEnd>,
    pub(crate) generation: u64,
    /// How long it was there.
    pub(crate) age: Duration,
}

impl Children {
    /// No children yet, of which there can be `most` at a time.
    pub(crate) fn new(shared: &Arc<Shared>, most: usize) -> Self {
        Self {
            shared: Arc::clone(shared),
            limits: Arc::clone(shared.service().limits()),
            list: Vec::new(),
            free_tables: (0..most).collect(),
            told: None,
            ending: None,
        }
    }

    /// Takes a table of the limits, in which this process counts what it counts until the
    /// [fork](Self::fork), and the child from then on. `None` where there are as many children as
    /// there can be.
    pub(crate) fn take_table(&mut self) -> Option<usize> {
        let table = self.free_tables.pop_first()?;
        self.limits.enter(table);
        Some(table)
    }

    /// Gives a table back that no child took.
    pub(crate) fn return_table(&mut self, table: usize) {
        self.free_tables.insert(table);
    }

    /// Forks. What the parent knows of its other children is gone in the child.
    ///
    /// # Errors
    ///
    /// The system's; there is no child then, and the table is free.
    pub(crate) fn fork(
        &mut self,
        table: usize,
        generation: u64,
        cx: &mut Context<'_>,
    ) -> io::Result<Forked> {
        let forked = UnixStream::pair().and_then(|links| Ok((links, ftpdlib_sys::fork()?)));
        let ((ours, theirs), fork) = forked.inspect_err(|_| self.return_table(table))?;
        let mut process = match fork {
            Fork::Child => {
                // First: whatever is dropped here may wake the loop.
                if let Err(error) = cx.leave_to_parent() {
                    log::error!("a process that was just started ends: {error}");
                    exit_at_once(1);
                }
                self.list.clear();
                return Ok(Forked::Child(theirs));
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
                    serves: false,
                    retired: false,
                    unanswered: 0,
                    stay: Stay::begin(&self.shared),
                });
                Ok(Forked::Parent(id))
            }
            Err(error) => {
                // Its link is closed, so it would end anyway.
                process.kill()?;
                process.wait()?;
                self.limits.clear(table);
                self.return_table(table);
                Err(error)
            }
        }
    }

    /// Has children of generations before `generation` accept nobody any more, the oldest first, so
    /// that as many of them and of that one accept as are `wanted`.
    ///
    /// Those that have only been forked count for nothing: their start may still fail.
    pub(crate) fn retire(&mut self, generation: u64, wanted: usize, cx: &mut Context<'_>) {
        let serving = self
            .list
            .iter()
            .map(|child| (child.generation, child.accepts()));
        let retiring = to_retire(wanted, generation, serving);
        let old = self
            .list
            .iter_mut()
            .filter(|child| child.is_old(generation));
        for child in old.take(retiring) {
            child.retired = true;
            child.tell(Order::Retire, cx);
        }
    }

    /// Gives all children an order, once, and kills those that do not end when they are to.
    pub(crate) fn pass_on(&mut self, order: Order, cx: &mut Context<'_>) {
        if self.told >= Some(order) {
            return;
        }
        self.told = Some(order);
        for child in &self.list {
            child.tell(order, cx);
        }
        if order == Order::End {
            self.ending = Some(cx.start_timer_after(ENDING_TIME));
        }
    }

    /// Hands files over to all children.
    pub(crate) fn hand_over(&self, files: Vec<(u8, File)>, cx: &mut Context<'_>) {
        for (number, file) in files {
            for child in &self.list {
                child.hand_over(number, &file, cx);
            }
        }
    }

    /// Does what a timer of the children is for; answers whether it is one of theirs.
    pub(crate) fn timeout(&mut self, timer: TimerId) -> bool {
        let ours = self.ending == Some(timer);
        if ours {
            self.kill_all();
        }
        ours
    }

    /// Asks all children whether their loops turn, and kills those that have left `most` questions
    /// unanswered; the end of their links follows.
    ///
    /// Questions are counted, and not the time since the first: that also goes by while the whole
    /// server is stopped.
    pub(crate) fn ask(&mut self, most: u32, cx: &mut Context<'_>) {
        for child in &mut self.list {
            let process = child.process.id();
            if child.unanswered == most {
                log::error!("process {process} hangs and is killed");
                if let Err(error) = child.process.kill() {
                    log::error!("process {process} cannot be killed: {error}");
                }
            } else if child.unanswered < most {
                let write = |mut link: &UnixStream| link.write(&[QUESTION]);
                if let Err(error) = cx.try_io(&child.link, Direction::Write, write) {
                    log::debug!("process {process} is not asked: {error}");
                }
            }
            child.unanswered = child.unanswered.saturating_add(1);
        }
    }

    /// Looks after the child whose link is ready: its end, or what it says.
    pub(crate) fn hear(&mut self, source: SourceId, cx: &mut Context<'_>) -> Option<Heard> {
        let place = self
            .list
            .iter()
            .position(|child| child.link.id() == source)?;
        let child = &mut self.list[place];
        let mut bytes = [0; 16];
        match cx.try_io(&child.link, Direction::Read, |mut link| {
            link.read(&mut bytes)
        }) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Ok(count @ 1..) => {
                child.unanswered = 0;
                let begins = !child.serves && bytes[..count].contains(&SERVES);
                child.serves |= begins;
                begins.then_some(Heard::Serves)
            }
            Ok(0) | Err(_) => Some(Heard::End(self.bury(place, cx))),
        }
    }

    /// Kills those that were told to end long ago; the end of their links follows.
    fn kill_all(&self) {
        for child in &self.list {
            log::warn!(
                "process {} is killed, since it does not end",
                child.process.id()
            );
            if let Err(error) = child.process.kill() {
                log::error!("process {} cannot be killed: {error}", child.process.id());
            }
        }
    }

    /// The order that all children were given.
    pub(crate) fn told(&self) -> Option<Order> {
        self.told
    }

    /// How many there are of a generation.
    pub(crate) fn count(&self, generation: u64) -> usize {
        let of_it = |child: &&Child| child.generation == generation;
        self.list.iter().filter(of_it).count()
    }

    /// Clears away what a child leaves: its place among the processes and in the limits.
    fn bury(&mut self, place: usize, cx: &mut Context<'_>) -> Departed {
        // The others keep their order, which is that of their ages.
        let mut child = self.list.remove(place);
        cx.close(child.link);
        // The link ends when the system takes the child's descriptors away, a moment before the
        // child counts as dead. One that lives without a link is out of control: it must not be
        // waited for in vain.
        let end = child.process.kill().and_then(|()| child.process.wait());
        self.limits.clear(child.table);
        self.free_tables.insert(child.table);
        Departed {
            process: child.process.id(),
            end,
            generation: child.generation,
            age: child.since.elapsed(),
        }
    }
}

impl Child {
    fn tell(&self, order: Order, cx: &mut Context<'_>) {
        let bytes = [order.byte()];
        let told = cx.try_io(&self.link, Direction::Write, |mut link| link.write(&bytes));
        if let Err(error) = told {
            log::debug!("process {} is not told: {error}", self.process.id());
        }
    }

    fn hand_over(&self, number: u8, file: &File, cx: &mut Context<'_>) {
        let Some(byte) = byte_of_file(number) else {
            return;
        };
        let write =
            |link: &UnixStream| ftpdlib_sys::write_with_file(link.as_fd(), byte, file.as_fd());
        if let Err(error) = cx.try_io(&self.link, Direction::Write, write) {
            log::warn!("process {} is handed no file: {error}", self.process.id());
        }
    }

    fn accepts(&self) -> bool {
        self.serves && !self.retired
    }

    /// Whether it accepts, for a generation before this one.
    fn is_old(&self, generation: u64) -> bool {
        self.accepts() && self.generation < generation
    }
}

/// How many of those that accept for generations before `generation` are not needed any more, where
/// `wanted` are to accept. Of each child there is its generation and whether it accepts.
fn to_retire(wanted: usize, generation: u64, children: impl Iterator<Item = (u64, bool)>) -> usize {
    let accepting = children.filter_map(|(of, accepts)| accepts.then_some(of));
    let (old, new): (Vec<_>, Vec<_>) = accepting.partition(|&of| of < generation);
    (new.len() + old.len())
        .saturating_sub(wanted)
        .min(old.len())
}

impl Drop for Children {
    /// Leaves no child behind: those that are there still had their time.
    fn drop(&mut self) {
        for child in &self.list {
            // One that does not listen is killed below.
            let _ = child.link.get_ref().write(&[Order::End.byte()]);
        }
        let until = Instant::now() + LAST_WAIT;
        while !self.list.is_empty() {
            self.list
                .retain_mut(|child| matches!(child.process.try_wait(), Ok(None)));
            if Instant::now() >= until {
                break;
            }
            thread::sleep(Duration::from_millis(2));
        }
        self.kill_all();
        for child in &mut self.list {
            // It cannot be helped where even that fails.
            let _ = child.process.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    /// How many are retired of `old` ones that accept, for so many `new` ones that do and that are
    /// only being `started`.
    #[track_caller]
    fn check(wanted: usize, new: usize, started: usize, old: usize, expected: usize) {
        let of = |generation, accepts, count| iter::repeat_n((generation, accepts), count);
        let children = of(6, true, old).chain(of(7, true, new));
        let retired = to_retire(wanted, 7, children.chain(of(7, false, started)));
        assert_eq!(retired, expected, "{wanted} wanted, {new} new, {old} old");
    }

    #[test]
    fn old_workers_make_room_one_by_one_as_new_ones_come() {
        for (wanted, new, old, expected) in [
            // Nobody could be started: all of them stay.
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
