//! The allocator of the program: mimalloc. Folding allocates and frees many small things of all sizes; the system's
//! allocator spends a fifth of the time on that.

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys as mi;

/// What every block is aligned to that is at least as large.
const ALIGNED: usize = 16;

/// mimalloc. Its aligned calls take room for a block and its alignment wherever no block of that size is free (version
/// 3.3.2), so that 192 bytes come to 224; they are made only where the alignment would not come by itself.
#[derive(Debug)]
pub struct Allocator;

fn is_aligned_anyway(layout: &Layout, size: usize) -> bool {
    layout.align() <= ALIGNED && layout.align() <= size
}

// SAFETY: mimalloc's calls fulfil the contract: a block is of the size and alignment asked for, or null, and is freed and
// grown by whichever call made it.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        match is_aligned_anyway(&layout, size) {
            true => unsafe { mi::mi_malloc(size) }.cast(),
            false => unsafe { mi::mi_malloc_aligned(size, align) }.cast(),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        match is_aligned_anyway(&layout, size) {
            true => unsafe { mi::mi_zalloc(size) }.cast(),
            false => unsafe { mi::mi_zalloc_aligned(size, align) }.cast(),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        unsafe { mi::mi_free(block.cast()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match is_aligned_anyway(&layout, size) {
            true => unsafe { mi::mi_realloc(block.cast(), size) }.cast(),
            false => unsafe { mi::mi_realloc_aligned(block.cast(), size, layout.align()) }.cast(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_and_keep_what_they_hold() {
        for align in [1, 2, 4, 8, 16, 32, 64, 4096] {
            for size in [1, 3, 8, 12, 16, 24, 40, 96, 192, 522, 1000, 4097, 98_304, 1 << 20] {
                let layout = Layout::from_size_align(size, align).unwrap();
                let blocks: Vec<*mut u8> = (0..40).map(|_| unsafe { Allocator.alloc_zeroed(layout) }).collect();
                for block in &blocks {
                    assert!(!block.is_null() && block.addr().is_multiple_of(align), "{layout:?}");
                    assert!((0..size).all(|at| unsafe { *block.add(at) } == 0));
                    unsafe { block.write_bytes(7, size) };
                }
                for block in blocks {
                    let grown = unsafe { Allocator.realloc(block, layout, size * 2) };
                    assert!(grown.addr().is_multiple_of(align), "{layout:?}");
                    assert!((0..size).all(|at| unsafe { *grown.add(at) } == 7));
                    let layout = Layout::from_size_align(size * 2, align).unwrap();
                    unsafe { Allocator.dealloc(grown, layout) };
                }
            }
        }
    }
}
