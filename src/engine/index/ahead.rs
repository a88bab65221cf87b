//! Memory that is read soon, asked for while other memory is read.

/// Where places are read in no order, those of so many steps later are asked for.
pub const AHEAD: usize = 8;

/// Asks for values, a cache line at a time. It changes nothing but time.
#[inline(always)]
pub fn fetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks((64 / size_of::<T>()).max(1)) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: nothing is read, and any address may be asked for.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}
