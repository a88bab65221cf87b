//! Columns and rows by slot, in chunks: growth copies at most one chunk, and a small one starts small.

use std::ops::{Index, IndexMut};

use half::f16;

/// Slots of a chunk of a column.
pub const CHUNK: usize = 256;
/// Rows of a chunk: what is allocated and not used is at most half of one.
const CHUNK_ROWS: usize = 64;

/// A column: one value a slot.
#[derive(Debug)]
pub struct Column<T>(Vec<Vec<T>>);

impl<T> Default for Column<T> {
    fn default() -> Column<T> {
        Column(Vec::new())
    }
}

impl<T> Column<T> {
    /// Slots.
    pub fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * CHUNK + last.len())
    }

    /// Adds a slot.
    pub fn push(&mut self, value: T) {
        match self.0.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            Some(chunk) => chunk.push(value),
            None => self.0.push(vec![value]),
        }
    }

    /// Takes a slot out; the last one moves into its place. The slot must exist.
    pub fn swap_remove(&mut self, slot: usize) -> T {
        let chunk = self.0.last_mut().expect("a column with a slot has a chunk");
        let last = chunk.pop().expect("no chunk is empty");
        if chunk.is_empty() {
            self.0.pop();
        }
        if slot == self.len() { last } else { std::mem::replace(&mut self[slot], last) }
    }

    /// A chunk; empty beyond the last.
    pub fn chunk(&self, chunk: usize) -> &[T] {
        self.0.get(chunk).map_or(&[], Vec::as_slice)
    }
}

impl<T> Index<usize> for Column<T> {
    type Output = T;

    fn index(&self, slot: usize) -> &T {
        &self.0[slot / CHUNK][slot % CHUNK]
    }
}

impl<T> IndexMut<usize> for Column<T> {
    fn index_mut(&mut self, slot: usize) -> &mut T {
        &mut self.0[slot / CHUNK][slot % CHUNK]
    }
}

/// Rows of half precision, all of one length.
#[derive(Debug)]
pub struct Rows {
    dim: usize,
    chunks: Vec<Vec<f16>>,
}

impl Rows {
    /// No rows of `dim` components yet.
    pub fn new(dim: usize) -> Rows {
        Rows { dim, chunks: Vec::new() }
    }

    /// Components of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Adds a row.
    pub fn push(&mut self, row: &[f16]) {
        match self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK_ROWS * row.len()) {
            Some(chunk) => {
                if chunk.len() == chunk.capacity() {
                    chunk.reserve_exact(chunk.len());
                }
                chunk.extend_from_slice(row);
            }
            None => self.chunks.push(row.to_vec()),
        }
    }

    /// One row.
    pub fn row(&self, slot: usize) -> &[f16] {
        let at = slot % CHUNK_ROWS * self.dim;
        &self.chunks[slot / CHUNK_ROWS][at..at + self.dim]
    }

    /// One row, to overwrite.
    pub fn row_mut(&mut self, slot: usize) -> &mut [f16] {
        let at = slot % CHUNK_ROWS * self.dim;
        &mut self.chunks[slot / CHUNK_ROWS][at..at + self.dim]
    }

    /// Takes a row out; that of `last`, the last slot, moves into its place.
    pub fn swap_remove(&mut self, slot: usize, last: usize) {
        let at = last % CHUNK_ROWS * self.dim;
        let chunk = last / CHUNK_ROWS;
        if slot / CHUNK_ROWS == chunk {
            self.chunks[chunk].copy_within(at..at + self.dim, slot % CHUNK_ROWS * self.dim);
        } else {
            let (before, from) = self.chunks.split_at_mut(chunk);
            let to = slot % CHUNK_ROWS * self.dim;
            before[slot / CHUNK_ROWS][to..to + self.dim].copy_from_slice(&from[0][at..at + self.dim]);
        }
        self.chunks[chunk].truncate(at);
        if at == 0 {
            self.chunks.pop();
        }
    }
}
