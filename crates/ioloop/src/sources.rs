//! Which sources are ready, for which handler, and which is served next.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

use mio::Token;
use mio::event::Event;

use crate::handler::HandlerId;
use crate::interest::{Direction, Interest, Ready};
use crate::slab::{Key, Slab};

/// The id of a registered source in its loop. Never reused.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SourceId(Key);

impl SourceId {
    /// The token of the source's events: slot and generation, so that an event fetched before the
    /// source was closed finds no source.
    pub(crate) const fn token(self) -> Token {
        Token(((self.0.generation as usize) << INDEX_BITS) | self.0.index as usize)
    }
}

/// The number of bits in a token that hold the slot: half of 64, or else enough for a million
/// slots.
const INDEX_BITS: u32 = if usize::BITS >= 64 { 32 } else { 20 };

/// The readiness of all sources.
///
/// The poll is edge-triggered, so readiness is kept here, per source, until an operation shows that
/// there is none. A source that is ready for what its handler wants is in one of the queues, once.
pub(crate) struct Sources {
    slots: Slab<Source>,
    queue: VecDeque<SourceId>,
    /// The queue of the sources that take long per call.
    bulk: VecDeque<SourceId>,
    dropped: Rc<Dropped>,
}

impl Sources {
    pub(crate) fn new() -> Self {
        Self {
            slots: Slab::new(),
            queue: VecDeque::new(),
            bulk: VecDeque::new(),
            dropped: Rc::default(),
        }
    }

    /// Adds a source; dropping the guard frees its slot.
    pub(crate) fn insert(&mut self, owner: HandlerId, ready: Interest) -> SlotGuard {
        let source = Source {
            owner,
            ready,
            interest: Interest::NONE,
            queued: false,
            is_bulk: false,
        };
        SlotGuard {
            id: SourceId(self.slots.insert(source)),
            dropped: Rc::clone(&self.dropped),
        }
    }

    /// Remembers the readiness that an event reports.
    pub(crate) fn mark(&mut self, event: &Event) {
        let mut ready = Interest::NONE;
        if event.is_readable() {
            ready |= Interest::READ;
        }
        if event.is_writable() {
            ready |= Interest::WRITE;
        }
        if event.is_read_closed() || event.is_write_closed() || event.is_error() {
            ready |= Interest::BOTH | Interest::HANGUP | Interest::SHORT_READS;
        }
        if !TELLS_OF_URGENT_DATA || event.is_priority() {
            ready |= Interest::SHORT_READS;
        }
        self.mark_token(event.token(), ready);
    }

    pub(crate) fn set_interest(&mut self, id: SourceId, interest: Interest) {
        if let Some(source) = self.slots.get_mut(id.0) {
            source.interest = interest;
            self.enqueue(id);
        }
    }

    /// Sets the initial readiness of a new source.
    pub(crate) fn set_ready(&mut self, id: SourceId, ready: Interest) {
        if let Some(source) = self.slots.get_mut(id.0) {
            source.ready = ready;
        }
    }

    /// Clears the readiness of one direction, after an operation has shown that there is none.
    pub(crate) fn clear(&mut self, id: SourceId, direction: Direction) {
        if let Some(source) = self.slots.get_mut(id.0) {
            source.ready = source.ready.without(direction.into());
        }
    }

    /// Assumes that a read that did not fill its buffer has left nothing to read. Bytes that arrive
    /// from now on, or have arrived but were not reported yet, will cause an event.
    pub(crate) fn note_short_read(&mut self, id: SourceId) {
        if !self.may_stop_short(id)
            && let Some(source) = self.slots.get_mut(id.0)
        {
            source.ready = source.ready.without(Interest::READ);
        }
    }

    /// Whether a read may stop before the end of what has arrived, as far as is known.
    pub(crate) fn may_stop_short(&self, id: SourceId) -> bool {
        self.slots
            .get(id.0)
            .is_some_and(|source| source.ready.contains(Interest::SHORT_READS))
    }

    /// Marks a source as readable, whatever the system has reported.
    pub(crate) fn note_unread(&mut self, id: SourceId) {
        if let Some(source) = self.slots.get_mut(id.0) {
            source.ready |= Interest::READ;
            self.enqueue(id);
        }
    }

    /// Whether an operation may succeed, as far as is known.
    pub(crate) fn is_ready(&self, id: SourceId, direction: Direction) -> bool {
        self.slots
            .get(id.0)
            .is_some_and(|source| source.ready.contains(direction.into()))
    }

    /// Sets the queue of a source, from the next time that it is queued on.
    pub(crate) fn set_bulk(&mut self, id: SourceId, is_bulk: bool) {
        if let Some(source) = self.slots.get_mut(id.0) {
            source.is_bulk = is_bulk;
        }
    }

    /// Takes the first source from the queue; `None` if it is gone or no longer ready.
    pub(crate) fn dequeue(&mut self) -> Option<(SourceId, HandlerId, Ready)> {
        let id = self.queue.pop_front()?;
        self.taken(id)
    }

    /// Takes the first ready source from the queue of those that take long.
    pub(crate) fn dequeue_bulk(&mut self) -> Option<(SourceId, HandlerId, Ready)> {
        while let Some(id) = self.bulk.pop_front() {
            let taken = self.taken(id);
            if taken.is_some() {
                return taken;
            }
        }
        None
    }

    fn taken(&mut self, id: SourceId) -> Option<(SourceId, HandlerId, Ready)> {
        let source = self.slots.get_mut(id.0)?;
        source.queued = false;
        let ready = source.due();
        // No operation clears the hangup, so it is cleared when it is reported.
        source.ready = source.ready.without(ready.and(Interest::HANGUP));
        (ready != Interest::NONE).then_some((id, source.owner, Ready(ready)))
    }

    /// Puts a source at the end of its queue, if it is ready for what its handler wants.
    pub(crate) fn enqueue(&mut self, id: SourceId) {
        if let Some(source) = self.slots.get_mut(id.0)
            && !source.queued
            && source.is_due()
        {
            source.queued = true;
            match source.is_bulk {
                true => self.bulk.push_back(id),
                false => self.queue.push_back(id),
            }
        }
    }

    /// Frees the slots of the sources that were dropped since the last call.
    pub(crate) fn reap(&mut self) {
        while self.dropped.any.get() {
            if let Some(id) = self.dropped.pop() {
                self.slots.remove(id.0);
            }
        }
    }

    /// Whether any queued source is still ready. Removes the sources before it that are not.
    pub(crate) fn anyone_ready(&mut self) -> bool {
        for queue in [&mut self.queue, &mut self.bulk] {
            while let Some(&id) = queue.front() {
                match self.slots.get_mut(id.0) {
                    Some(source) if source.is_due() => {
                        return true;
                    }
                    Some(source) => source.queued = false,
                    None => {}
                }
                queue.pop_front();
            }
        }
        false
    }

    /// The owner of the queued sources, if they all have the same owner.
    pub(crate) fn sole_owner(&self) -> Option<HandlerId> {
        let owner = |id: &SourceId| self.slots.get(id.0).map(|source| source.owner);
        let mut owners = self.queue.iter().chain(&self.bulk).filter_map(owner);
        let first = owners.next()?;
        owners.all(|other| other == first).then_some(first)
    }

    /// The number of sources in the queue for [`dequeue`](Self::dequeue).
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// The number of sources in the queue for [`dequeue_bulk`](Self::dequeue_bulk).
    pub(crate) fn queued_bulk(&self) -> usize {
        self.bulk.len()
    }

    /// Whether any source is queued.
    pub(crate) fn has_queued(&self) -> bool {
        !self.queue.is_empty() || !self.bulk.is_empty()
    }

    /// Whether a source is ready for what its handler wants, as far as is known.
    pub(crate) fn is_due(&self, id: SourceId) -> bool {
        self.slots.get(id.0).is_some_and(Source::is_due)
    }

    /// Whether there is any source.
    pub(crate) fn has_any(&self) -> bool {
        self.slots.len() > 0
    }

    /// Whether there is a source whose events have this token.
    pub(crate) fn has_token(&self, token: Token) -> bool {
        self.of_token(token).is_some()
    }

    fn of_token(&self, token: Token) -> Option<SourceId> {
        let index = (token.0 & ((1 << INDEX_BITS) - 1)) as u32;
        let id = self.slots.key_at(index).map(SourceId)?;
        (id.token() == token).then_some(id)
    }

    fn mark_token(&mut self, token: Token, ready: Interest) {
        if let Some(id) = self.of_token(token)
            && let Some(source) = self.slots.get_mut(id.0)
        {
            source.ready |= ready;
            self.enqueue(id);
        }
    }
}

/// Whether events report urgent data. Where they do not, a short read proves nothing.
const TELLS_OF_URGENT_DATA: bool = cfg!(target_os = "linux");

struct Source {
    owner: HandlerId,
    ready: Interest,
    interest: Interest,
    queued: bool,
    is_bulk: bool,
}

impl Source {
    /// What it is ready for, of what its handler wants.
    fn due(&self) -> Interest {
        self.ready.and(self.interest)
    }

    fn is_due(&self) -> bool {
        self.due() != Interest::NONE
    }
}

/// Held by a socket; frees the slot of its source when dropped.
pub(crate) struct SlotGuard {
    pub(crate) id: SourceId,
    dropped: Rc<Dropped>,
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        self.dropped.push(self.id);
    }
}

impl fmt::Debug for SlotGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// The sources dropped since the loop last looked. Needed because sockets may be dropped where
/// there is no reference to the loop.
#[derive(Default)]
struct Dropped {
    any: Cell<bool>,
    ids: Cell<Vec<SourceId>>,
}

impl Dropped {
    fn push(&self, id: SourceId) {
        let mut ids = self.ids.take();
        ids.push(id);
        self.ids.set(ids);
        self.any.set(true);
    }

    fn pop(&self) -> Option<SourceId> {
        let mut ids = self.ids.take();
        let id = ids.pop();
        self.any.set(!ids.is_empty());
        // Put back even if empty, to keep its capacity.
        self.ids.set(ids);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(sources: &mut Sources) -> Option<(SourceId, Interest)> {
        sources.dequeue().map(|(id, _, ready)| (id, ready.0))
    }

    #[test]
    fn readiness_lasts_until_it_is_cleared() {
        let mut sources = Sources::new();
        let slot = sources.insert(HandlerId::NONE, Interest::BOTH);
        assert_eq!(sources.queued(), 0, "no interest yet");
        sources.set_interest(slot.id, Interest::READ);
        for _ in 0..3 {
            assert_eq!(next(&mut sources), Some((slot.id, Interest::READ)));
            sources.enqueue(slot.id);
        }
        assert_eq!(sources.queued(), 1);
        sources.clear(slot.id, Direction::Read);
        assert_eq!(next(&mut sources), None);
        sources.set_interest(slot.id, Interest::BOTH);
        assert_eq!(next(&mut sources), Some((slot.id, Interest::WRITE)));
    }

    #[test]
    fn what_becomes_ready_in_a_pause_is_remembered() {
        let mut sources = Sources::new();
        let slot = sources.insert(HandlerId::NONE, Interest::NONE);
        sources.mark_token(slot.id.token(), Interest::READ);
        assert_eq!(sources.queued(), 0);
        sources.set_interest(slot.id, Interest::READ);
        assert_eq!(next(&mut sources), Some((slot.id, Interest::READ)));
    }

    #[test]
    fn a_short_read_is_the_last_unless_the_stream_ends_or_urgent_data_stopped_it() {
        let mut sources = Sources::new();
        let slot = sources.insert(HandlerId::NONE, Interest::NONE);
        sources.set_interest(slot.id, Interest::READ);
        sources.mark_token(slot.id.token(), Interest::READ);
        sources.note_short_read(slot.id);
        assert_eq!(next(&mut sources), None);
        assert!(!sources.may_stop_short(slot.id));
        sources.mark_token(slot.id.token(), Interest::READ | Interest::SHORT_READS);
        assert!(sources.may_stop_short(slot.id));
        sources.note_short_read(slot.id);
        assert_eq!(next(&mut sources), Some((slot.id, Interest::READ)));
    }

    #[test]
    fn what_was_read_and_kept_is_still_to_be_read() {
        let mut sources = Sources::new();
        let slot = sources.insert(HandlerId::NONE, Interest::NONE);
        sources.set_interest(slot.id, Interest::READ);
        sources.mark_token(slot.id.token(), Interest::READ);
        sources.note_short_read(slot.id);
        sources.note_unread(slot.id);
        assert_eq!(next(&mut sources), Some((slot.id, Interest::READ)));
        // The same if the interest is set only later.
        sources.set_interest(slot.id, Interest::NONE);
        sources.clear(slot.id, Direction::Read);
        sources.note_unread(slot.id);
        assert_eq!(next(&mut sources), None);
        sources.set_interest(slot.id, Interest::READ);
        assert_eq!(next(&mut sources), Some((slot.id, Interest::READ)));
    }

    #[test]
    fn a_source_is_queued_once() {
        let mut sources = Sources::new();
        let slot = sources.insert(HandlerId::NONE, Interest::NONE);
        sources.set_interest(slot.id, Interest::BOTH);
        sources.mark_token(slot.id.token(), Interest::READ);
        sources.mark_token(slot.id.token(), Interest::WRITE);
        sources.set_interest(slot.id, Interest::BOTH);
        assert_eq!(sources.queued(), 1);
        assert_eq!(next(&mut sources), Some((slot.id, Interest::BOTH)));
    }

    #[test]
    fn a_bulk_source_is_queued_apart_from_the_others_and_once() {
        let mut sources = Sources::new();
        let slots = [(); 3].map(|()| sources.insert(HandlerId::NONE, Interest::BOTH));
        let [bulk, other, gone] = slots.each_ref().map(|slot| slot.id);
        for id in [gone, bulk] {
            sources.set_bulk(id, true);
        }
        for id in [gone, bulk, other, bulk] {
            sources.set_interest(id, Interest::READ);
        }
        assert_eq!(sources.queued(), 1);
        assert_eq!(next(&mut sources).map(|(id, _)| id), Some(other));
        assert!(sources.anyone_ready());
        sources.set_interest(gone, Interest::NONE);
        let taken = sources.dequeue_bulk().map(|(id, ..)| id);
        assert_eq!(taken, Some(bulk), "the one before it is no longer ready");
        assert!(sources.dequeue_bulk().is_none());
        assert!(!sources.has_queued() && !sources.anyone_ready());
    }

    #[test]
    fn a_hangup_is_told_once() {
        let mut sources = Sources::new();
        let slot = sources.insert(HandlerId::NONE, Interest::NONE);
        sources.set_interest(slot.id, Interest::HANGUP);
        sources.mark_token(slot.id.token(), Interest::BOTH | Interest::HANGUP);
        assert_eq!(next(&mut sources), Some((slot.id, Interest::HANGUP)));
        sources.enqueue(slot.id);
        assert_eq!(next(&mut sources), None);
    }

    #[test]
    fn an_event_of_a_former_source_finds_none() {
        let mut sources = Sources::new();
        let former = sources.insert(HandlerId::NONE, Interest::BOTH);
        let stale = former.id;
        sources.set_interest(stale, Interest::BOTH);
        drop(former);
        sources.reap();
        let slot = sources.insert(HandlerId::NONE, Interest::NONE);
        sources.set_interest(slot.id, Interest::BOTH);
        sources.mark_token(stale.token(), Interest::BOTH);
        assert_eq!(
            next(&mut sources),
            None,
            "the queue still names the former source"
        );
        assert_eq!(sources.queued(), 0);
        assert_ne!(stale.token(), slot.id.token());
    }

    #[test]
    fn slots_of_dropped_sources_are_used_again() {
        let mut sources = Sources::new();
        for _ in 0..100 {
            drop(sources.insert(HandlerId::NONE, Interest::BOTH));
            sources.reap();
        }
        let slot = sources.insert(HandlerId::NONE, Interest::BOTH);
        assert_eq!(slot.id.0.index, 0);
    }
}
