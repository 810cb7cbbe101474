//! A vector of slots whose keys go stale. The loop keeps its handlers, sources and timers in one
//! each.

use std::sync::atomic::{AtomicU32, Ordering};

/// Identifies one value of a [`Slab`], and never a later value in the same slot.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl Key {
    /// A key that no slab ever gives out.
    pub(crate) const NONE: Self = Self {
        index: u32::MAX,
        generation: u32::MAX,
    };
}

pub(crate) struct Slab<T> {
    /// The generation of a new slot.
    first_generation: u32,
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// Makes a slab whose keys identify nothing in another slab, until a slot has been reused
    /// millions of times.
    pub(crate) fn new() -> Self {
        /// Derived from the golden ratio, which spreads the generations of any number of slabs
        /// evenly.
        const STEP: u32 = 0x9E37_79B9;
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self {
            first_generation: NEXT.fetch_add(STEP, Ordering::Relaxed),
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(crate) fn insert(&mut self, value: T) -> Key {
        if let Some(index) = self.free.pop() {
            let entry = &mut self.entries[index as usize];
            entry.value = Some(value);
            return Key {
                index,
                generation: entry.generation,
            };
        }
        // Memory runs out before the index does, which allows four thousand million values.
        let index = self.entries.len() as u32;
        self.entries.push(Entry {
            generation: self.first_generation,
            value: Some(value),
        });
        Key {
            index,
            generation: self.first_generation,
        }
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation != key.generation {
            return None;
        }
        let value = entry.value.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation == key.generation {
            entry.value.as_mut()
        } else {
            None
        }
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let entry = self.entries.get(key.index as usize)?;
        if entry.generation == key.generation {
            entry.value.as_ref()
        } else {
            None
        }
    }

    /// The key of the value that is currently in a slot.
    pub(crate) fn key_at(&self, index: u32) -> Option<Key> {
        let entry = self.entries.get(index as usize)?;
        entry.value.as_ref().map(|_| Key {
            index,
            generation: entry.generation,
        })
    }

    /// The keys of all present values.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.value.is_some())
            .map(|(index, entry)| Key {
                index: index as u32,
                generation: entry.generation,
            })
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }
}

struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_one_slab_named_a_value_of_another() {
        let (mut slab, mut other) = (Slab::new(), Slab::new());
        let key = slab.insert('a');
        assert_eq!(other.insert('b').index, key.index);
        assert_eq!(other.get(key), None);
        assert_eq!(other.remove(key), None);
        assert_eq!(slab.remove(key), Some('a'));
    }

    #[test]
    fn a_key_is_stale_once_its_value_is_gone() {
        let mut slab = Slab::new();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!(second.index, first.index, "the slot is reused");
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut 'b'));
        assert_eq!(slab.len(), 1);
        assert_eq!(slab.keys().collect::<Vec<_>>(), [second]);
        assert_eq!(slab.get(Key::NONE), None);
    }
}
