//! The names of a directory, packed.

/// Names in one allocation, and their order: what a sorted listing of a large directory holds.
#[derive(Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    spans: Vec<(usize, u32)>,
}

impl Names {
    pub(super) fn push(&mut self, name: &[u8]) {
        let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
        self.spans.push((self.bytes.len(), length));
        self.bytes.extend_from_slice(&name[..length as usize]);
    }

    /// How many bytes of memory the names take.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + size_of_val(&self.spans[..])
    }

    /// Removes the names, and keeps the memory for others.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
    }

    /// Puts the names in order, byte by byte.
    pub(super) fn sort(&mut self) {
        let bytes = &self.bytes;
        self.spans.sort_unstable_by_key(|&span| slice(bytes, span));
    }

    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(super) fn name(&self, index: usize) -> &[u8] {
        slice(&self.bytes, self.spans[index])
    }
}

fn slice(bytes: &[u8], (start, length): (usize, u32)) -> &[u8] {
    &bytes[start..start + length as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_out_sorted() {
        let mut names = Names::default();
        for name in ["b", "", "a b", "a", "ab"] {
            names.push(name.as_bytes());
        }
        names.sort();
        let sorted: Vec<&[u8]> = (0..names.len()).map(|index| names.name(index)).collect();
        assert_eq!(sorted, [&b""[..], b"a", b"a b", b"ab", b"b"]);
    }
}
