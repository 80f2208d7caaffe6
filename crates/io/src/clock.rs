//! The single place where the native side reads a clock. Everything else is handed `now`.

/// Nanoseconds of CLOCK_MONOTONIC, which never goes back and has no relation to the date.
#[must_use]
pub fn monotonic_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds since 1970 UTC, for time stamps that people read (captures), never for timers.
#[must_use]
pub fn realtime_ns() -> u64 {
    read(libc::CLOCK_REALTIME)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid timespec for the call to fill.
    let result = unsafe { libc::clock_gettime(clock, &raw mut now) };
    debug_assert_eq!(result, 0, "these clocks always exist");
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_never_goes_back() {
        let readings: Vec<u64> = (0..1000).map(|_| monotonic_ns()).collect();
        assert!(readings.is_sorted(), "{readings:?}");
        assert!(readings[0] > 0);
    }

    #[test]
    fn the_realtime_clock_is_past_2020() {
        assert!(realtime_ns() > 1_577_836_800_000_000_000);
    }
}
