//! Whether the switch's thread sleeps, as the kernel tells it.

use std::fs;
use std::time::{Duration, Instant};

use tulle_switch::Switch;

const NAME: &str = "busy-poll";
const PATIENCE: Duration = Duration::from_secs(60);
/// A clock tick is 10 ms.
const TICKS: u64 = 10;

/// The statistics of the switch's thread behind its name (proc(5), `/proc/pid/stat` from field 3 on).
/// Nothing as long as it has no name.
fn statistics() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("tasks").flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
    let text = texts.into_iter().find(|text| text.contains(&format!("({NAME})")));
    let fields = text.as_deref().and_then(|text| text.rsplit_once(") ")).map(|(_, rest)| rest);
    fields.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

fn ticks() -> u64 {
    let fields = statistics();
    [11, 12].map(|at| fields[at].parse::<u64>().expect("a number")).iter().sum()
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited for {what}: {:?}", statistics());
        std::thread::yield_now();
    }
}

#[test]
fn the_thread_sleeps_unless_told_to_stay_awake() {
    let switch = Switch::start(NAME, 1, 1).expect("a switch");
    // A new thread gets its name a moment later.
    let is_asleep = || statistics().first().is_some_and(|state| state == "S");
    wait_for("sleep", is_asleep);
    switch.set_busy_poll(Some(Duration::from_secs(3600))).expect("busy");
    let before = ticks();
    wait_for("some processor time", || ticks() >= before + TICKS);
    assert!(!is_asleep());
    switch.set_busy_poll(None).expect("not busy");
    wait_for("sleep", is_asleep);
}
