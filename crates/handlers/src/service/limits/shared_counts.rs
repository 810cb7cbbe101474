//! The counts of several processes, in shared memory.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ftpdlib_sys::{ProcessLock, ProcessLockGuard, SharedWords};

use super::LimitReached;

/// Tables of counts, one for each process.
///
/// A process writes only to its own table. So if it is killed at any moment, the counts of others
/// are right, and its own are gone once its table is cleared. A lock is held from adding up all
/// tables until one more connection is counted; the system releases it if its holder dies.
#[derive(Debug)]
pub(super) struct SharedCounts {
    words: SharedWords,
    shape: Shape,
    /// The table of this process.
    own: AtomicUsize,
    /// Held while this process's table is being written.
    writing: Mutex<()>,
    /// Held, while `writing` is, by the one process that may count another connection.
    taking: ProcessLock,
    /// Turns addresses into numbers that cannot be predicted from outside.
    keys: RandomState,
}

/// The common words, by index: the limits, and how many tables were ever in use. The parent writes
/// them.
const MAX_CONS: usize = 0;
const MAX_CONS_PER_IP: usize = 1;
const TABLES_USED: usize = 2;
const HEADER: usize = 8;

/// The words before a table's entries, by index: its sum, how many entries were ever in use, and
/// from how many listeners its process accepts.
const TOTAL: usize = 0;
const ENTRIES_USED: usize = 1;
const LISTENERS: usize = 2;
const TABLE_HEADER: usize = 3;

/// An entry is a number for a client's address, with the count of its connections in the lowest
/// bits. In one word, both change at once.
const COUNT_BITS: u32 = 20;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// The number for connections of clients that are not known yet.
const NOBODY: u64 = 1 << 62;

impl SharedCounts {
    pub(super) fn new(tables: usize, addresses: usize) -> io::Result<Self> {
        let shape = Shape {
            tables: tables.max(1),
            addresses: addresses.max(1),
        };
        let size = shape.size().ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            words: SharedWords::new(size)?,
            shape,
            own: AtomicUsize::new(0),
            writing: Mutex::new(()),
            taking: ProcessLock::new()?,
            keys: RandomState::new(),
        })
    }

    pub(super) fn set(&self, max_cons: usize, max_cons_per_ip: usize) {
        self.words[MAX_CONS].store(max_cons as u64, Ordering::Relaxed);
        self.words[MAX_CONS_PER_IP].store(max_cons_per_ip as u64, Ordering::Relaxed);
    }

    pub(super) fn limits(&self) -> (usize, usize) {
        let limit = |word: usize| self.words[word].load(Ordering::Relaxed) as usize;
        (limit(MAX_CONS), limit(MAX_CONS_PER_IP))
    }

    pub(super) fn enter(&self, table: usize) {
        let table = table.min(self.shape.tables - 1);
        self.own.store(table, Ordering::Relaxed);
        self.words[TABLES_USED].fetch_max(table as u64 + 1, Ordering::SeqCst);
    }

    pub(super) fn clear(&self, table: usize) {
        if let Some(table) = self.tables().nth(table) {
            for entry in table.entries() {
                entry.store(0, Ordering::SeqCst);
            }
            table.header[TOTAL].store(0, Ordering::SeqCst);
            table.header[LISTENERS].store(0, Ordering::SeqCst);
        }
    }

    pub(super) fn add_listener(&self) {
        self.own().header[LISTENERS].fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn remove_listener(&self) {
        self.own().header[LISTENERS].fetch_sub(1, Ordering::SeqCst);
    }

    /// How many of the waiting clients this process gets if each goes to the accepting process with
    /// the fewest connections; `usize::MAX` for all of them. They are not counted if there is no
    /// other such process.
    pub(super) fn quota(&self, waiting: impl FnOnce() -> io::Result<usize>) -> usize {
        let here = self.own.load(Ordering::Relaxed);
        let others = || {
            let tables = self.tables().enumerate();
            let others = tables
                .filter(|(table, _)| *table != here)
                .map(|(_, table)| table);
            others.filter(Table::accepts).map(|table| table.total())
        };
        if others().next().is_none() {
            return usize::MAX;
        }
        let Ok(waiting) = waiting() else {
            return usize::MAX;
        };
        let own = self.own().total();
        // The smallest number such that the others, filled to the same level, take the rest.
        let (mut low, mut high) = (0, waiting);
        while low < high {
            let taken = low.midpoint(high);
            let level = own.saturating_add(taken);
            let room = others().map(|total| level.saturating_sub(total));
            if room.fold(taken, usize::saturating_add) >= waiting {
                high = taken;
            } else {
                low = taken + 1;
            }
        }
        if low < waiting { low } else { usize::MAX }
    }

    pub(super) fn acquire(&self, ip: Option<IpAddr>) -> Result<(), LimitReached> {
        let _writing = self.start_writing();
        let (max_cons, _) = self.limits();
        let _taking = self.take_turn();
        if max_cons != 0 && self.count() >= max_cons {
            return Err(LimitReached::Total);
        }
        self.add(ip)
    }

    /// Counts a connection of `from` as one of `to`.
    pub(super) fn rename(&self, from: Option<IpAddr>, to: IpAddr) -> Result<(), LimitReached> {
        let _writing = self.start_writing();
        // For a moment it counts twice, but no process that waits for the lock sees that.
        let _taking = self.take_turn();
        self.add(Some(to))?;
        self.own().subtract(self.key(from));
        Ok(())
    }

    /// Locks this process's table against other threads.
    fn start_writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other process counts a connection, if there is a limit.
    fn take_turn(&self) -> Option<ProcessLockGuard<'_>> {
        match self.limits() {
            (0, 0) => None,
            // If the system has no more locks, one client too many may get in.
            _ => self.taking.lock().ok(),
        }
    }

    /// Counts another connection of `ip` in this process, unless it has too many.
    fn add(&self, ip: Option<IpAddr>) -> Result<(), LimitReached> {
        let (key, (_, most)) = (self.key(ip), self.limits());
        if most != 0 && ip.is_some() && self.count_of(key) >= most {
            return Err(LimitReached::PerIp);
        }
        self.own().add(key).map_err(|TableFull| LimitReached::Total)
    }

    pub(super) fn release(&self, ip: Option<IpAddr>) {
        let key = self.key(ip);
        let _writing = self.start_writing();
        self.own().subtract(key);
    }

    pub(super) fn count(&self) -> usize {
        self.tables().map(|table| table.total()).sum()
    }

    fn count_of(&self, key: u64) -> usize {
        self.tables().map(|table| table.count(key)).sum::<u64>() as usize
    }

    fn tables(&self) -> impl Iterator<Item = Table<'_>> {
        let used = self.words[TABLES_USED].load(Ordering::SeqCst) as usize;
        // A process of another user can write any number there.
        (0..used.min(self.shape.tables)).map(|table| self.table(table))
    }

    fn own(&self) -> Table<'_> {
        self.table(self.own.load(Ordering::Relaxed))
    }

    fn table(&self, table: usize) -> Table<'_> {
        let (header, entries) = self.words[self.shape.table(table)].split_at(TABLE_HEADER);
        Table { header, entries }
    }

    /// The number of an address: never 0, and with the bits of the count clear.
    fn key(&self, ip: Option<IpAddr>) -> u64 {
        match ip {
            Some(ip) => (self.keys.hash_one(ip) | 1 << 63) & !COUNT_MASK,
            None => NOBODY,
        }
    }
}

/// The layout of the tables in the words.
#[derive(Clone, Copy, Debug)]
struct Shape {
    tables: usize,
    /// How many entries a table has.
    addresses: usize,
}

impl Shape {
    fn size(self) -> Option<usize> {
        let table = self.addresses.checked_add(TABLE_HEADER)?;
        self.tables.checked_mul(table)?.checked_add(HEADER)
    }

    fn table(self, table: usize) -> Range<usize> {
        let length = TABLE_HEADER + self.addresses;
        let start = HEADER + table.min(self.tables - 1) * length;
        start..start + length
    }
}

/// No entry is left for another address, or no number for another connection.
struct TableFull;

/// The counts of one process.
struct Table<'a> {
    header: &'a [AtomicU64],
    entries: &'a [AtomicU64],
}

impl Table<'_> {
    /// Counts another connection.
    fn add(&self, key: u64) -> Result<(), TableFull> {
        let entry = self.find(key).or_else(|| self.find_free());
        let entry = entry.ok_or(TableFull)?;
        let count = entry.load(Ordering::Relaxed) & COUNT_MASK;
        if count == COUNT_MASK {
            return Err(TableFull);
        }
        entry.store(key | (count + 1), Ordering::SeqCst);
        self.header[TOTAL].fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Gives back a connection.
    fn subtract(&self, key: u64) {
        if let Some(entry) = self.find(key) {
            let count = entry.load(Ordering::Relaxed) & COUNT_MASK;
            let left = if count > 1 { key | (count - 1) } else { 0 };
            entry.store(left, Ordering::SeqCst);
            self.header[TOTAL].fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// How many connections are counted.
    fn total(&self) -> usize {
        self.header[TOTAL].load(Ordering::SeqCst) as usize
    }

    /// Whether its process accepts clients.
    fn accepts(&self) -> bool {
        self.header[LISTENERS].load(Ordering::SeqCst) > 0
    }

    /// How many connections an address has.
    fn count(&self, key: u64) -> u64 {
        self.find(key)
            .map_or(0, |entry| entry.load(Ordering::SeqCst) & COUNT_MASK)
    }

    fn find(&self, key: u64) -> Option<&AtomicU64> {
        self.entries()
            .iter()
            .find(|entry| entry.load(Ordering::SeqCst) & !COUNT_MASK == key)
    }

    fn find_free(&self) -> Option<&AtomicU64> {
        let is_free = |entry: &&AtomicU64| entry.load(Ordering::Relaxed) == 0;
        if let Some(entry) = self.entries().iter().find(is_free) {
            return Some(entry);
        }
        let used = self.entries().len();
        let fresh = self.entries.get(used)?;
        self.header[ENTRIES_USED].store(used as u64 + 1, Ordering::SeqCst);
        Some(fresh)
    }

    fn entries(&self) -> &[AtomicU64] {
        let used = self.header[ENTRIES_USED].load(Ordering::SeqCst) as usize;
        &self.entries[..used.min(self.entries.len())]
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn ip(number: u32) -> Option<IpAddr> {
        Some(Ipv4Addr::from(number).into())
    }

    /// Does `act` as the process of another table.
    fn in_table(counts: &SharedCounts, table: usize, act: impl FnOnce()) {
        let before = counts.own.load(Ordering::Relaxed);
        counts.enter(table);
        act();
        counts.enter(before);
    }

    #[test]
    fn processes_count_together() {
        let counts = SharedCounts::new(4, 8).unwrap();
        counts.enter(0);
        counts.set(4, 3);
        counts.acquire(ip(1)).unwrap();
        in_table(&counts, 1, || {
            counts.acquire(ip(1)).unwrap();
            counts.acquire(ip(1)).unwrap();
            assert_eq!(counts.acquire(ip(1)), Err(LimitReached::PerIp));
            counts.acquire(ip(2)).unwrap();
        });
        assert_eq!(counts.acquire(ip(3)), Err(LimitReached::Total));
        assert_eq!(counts.count(), 4);
        counts.release(ip(1));
        assert_eq!(counts.acquire(ip(3)), Ok(()));
    }

    #[test]
    fn the_table_of_a_dead_process_is_cleared() {
        let counts = SharedCounts::new(4, 8).unwrap();
        counts.enter(0);
        counts.set(5, 2);
        in_table(&counts, 3, || {
            for number in [1, 1, 2, 3] {
                counts.acquire(ip(number)).unwrap();
            }
        });
        counts.acquire(ip(4)).unwrap();
        assert_eq!(counts.acquire(ip(1)), Err(LimitReached::Total));
        counts.clear(3);
        assert_eq!(counts.count(), 1);
        counts.acquire(ip(1)).unwrap();
        in_table(&counts, 3, || counts.acquire(ip(1)).unwrap());
        assert_eq!(counts.acquire(ip(1)), Err(LimitReached::PerIp));
    }

    #[test]
    fn clients_go_to_the_processes_with_the_fewest() {
        const ALL: usize = usize::MAX;
        // The connections of this process, those of others that accept, the clients that wait, and
        // how many of them come here.
        let rows: &[(usize, &[usize], usize, usize)] = &[
            (0, &[], 16, ALL),
            (0, &[0], 0, ALL),
            (0, &[0], 1, ALL),
            (1, &[0], 1, 0),
            (1, &[0], 2, 1),
            (0, &[1], 2, ALL),
            (1, &[0], 15, 7),
            (0, &[1], 15, 8),
            (5, &[5], 1, ALL),
            (6, &[4], 2, 0),
            (6, &[4], 4, 1),
            (0, &[100, 10], 10, ALL),
            (10, &[100, 0], 10, 0),
            (10, &[100, 0], 12, 1),
            (3, &[3, 3, 3], 4_000, 1_000),
        ];
        for &(own, others, waiting, quota) in rows {
            let counts = SharedCounts::new(8, 8).unwrap();
            for (table, &connections) in others.iter().enumerate() {
                in_table(&counts, table + 2, || {
                    counts.add_listener();
                    (0..connections).for_each(|_| counts.acquire(ip(1)).unwrap());
                });
            }
            counts.enter(1);
            counts.add_listener();
            (0..own).for_each(|_| counts.acquire(ip(1)).unwrap());
            let found = counts.quota(|| Ok(waiting));
            assert_eq!(found, quota, "{own} {others:?} {waiting}");
        }
    }

    #[test]
    fn clients_are_not_left_to_processes_that_accept_none() {
        let counts = SharedCounts::new(8, 8).unwrap();
        counts.enter(1);
        counts.acquire(ip(1)).unwrap();
        in_table(&counts, 2, || {
            counts.add_listener();
            counts.add_listener();
            counts.remove_listener();
        });
        assert_eq!(counts.quota(|| Ok(1)), 0);
        in_table(&counts, 2, || counts.remove_listener());
        assert_eq!(counts.quota(|| Ok(1)), usize::MAX);
        in_table(&counts, 2, || counts.add_listener());
        assert_eq!(counts.quota(|| Ok(1)), 0);
        counts.clear(2);
        assert_eq!(counts.quota(|| Ok(1)), usize::MAX);
        in_table(&counts, 2, || counts.add_listener());
        let unknown = || Err(io::ErrorKind::Unsupported.into());
        assert_eq!(counts.quota(unknown), usize::MAX);
    }

    #[test]
    fn more_tables_were_counted_than_there_are() {
        let counts = SharedCounts::new(2, 8).unwrap();
        counts.enter(1);
        counts.acquire(ip(1)).unwrap();
        counts.words[TABLES_USED].store(1_000, Ordering::SeqCst);
        assert_eq!(counts.count(), 1);
    }

    #[test]
    fn a_table_without_room_refuses() {
        let counts = SharedCounts::new(1, 2).unwrap();
        counts.enter(0);
        counts.acquire(ip(1)).unwrap();
        counts.acquire(ip(2)).unwrap();
        assert_eq!(counts.acquire(ip(3)), Err(LimitReached::Total));
        assert_eq!(counts.count(), 2);
        counts.acquire(ip(2)).unwrap();
        counts.release(ip(1));
        counts.acquire(ip(3)).unwrap();
        assert_eq!(counts.count(), 3);
    }
}
