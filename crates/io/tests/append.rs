//! Files that are appended to through shared memory.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tulle_io::{APPEND_HEAD_LEN, AppendFile};

const MARK: &[u8; 8] = b"a mark 1";
/// Names the file to the process that is killed.
const FILE: &str = "TULLE_APPEND_FILE";
/// Numbers that are appended together.
const BATCH: u64 = 16;

/// A path of its own for a test's file, which goes with it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        Place(std::env::temp_dir().join(format!("tulle-append-{name}-{}", std::process::id())))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What a file says that it has.
fn content(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).expect("a file");
    let (head, rest) = bytes.split_at(APPEND_HEAD_LEN);
    assert_eq!(&head[..8], MARK);
    let length = u64::from_be_bytes(head[8..].try_into().expect("a length"));
    rest[..length as usize].to_vec()
}

fn numbers(content: &[u8]) -> Vec<u64> {
    assert_eq!(content.len() % (8 * BATCH as usize), 0, "a part of a batch");
    let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().expect("eight bytes"));
    content.chunks(8).map(number).collect()
}

/// Appends the numbers of a batch, in two parts.
fn append_batch(file: &mut AppendFile, first: u64) {
    let bytes: Vec<u8> = (first..first + BATCH).flat_map(u64::to_be_bytes).collect();
    let (one, other) = bytes.split_at(bytes.len() / 3);
    file.append(&[one, other]).expect("room");
}

#[test]
fn all_lengths_come_out_as_they_went_in() {
    let place = Place::new("lengths");
    let mut file = AppendFile::create(&place.0, MARK).expect("a file");
    let mut expected = Vec::new();
    for length in [0, 1, 7, 4096, 65_535, 65_536, 65_537, 300_000, 3, 1 << 20, 5] {
        let bytes: Vec<u8> = (0..length).map(|at| (at * 7 + length) as u8).collect();
        file.append(&[&bytes, b"end"]).expect("room");
        expected.extend_from_slice(&bytes);
        expected.extend_from_slice(b"end");
        assert_eq!(file.end(), (APPEND_HEAD_LEN + expected.len()) as u64);
        assert!(content(&place.0) == expected, "after {length} bytes");
    }
    drop(file);
    let length = std::fs::metadata(&place.0).expect("a file").len();
    assert_eq!(length, (APPEND_HEAD_LEN + expected.len()) as u64, "room is given back");
}

#[test]
fn another_file_of_the_same_name_leaves_the_one_that_is_written_alone() {
    let place = Place::new("again");
    let mut old = AppendFile::create(&place.0, MARK).expect("a file");
    old.append(&[b"old"]).expect("room");
    let mut new = AppendFile::create(&place.0, MARK).expect("another file");
    new.append(&[b"new"]).expect("room");
    old.append(&[&[1; 100_000]]).expect("room");
    drop(old);
    assert_eq!(content(&place.0), b"new");
}

#[test]
fn whoever_reads_meanwhile_sees_whole_batches() {
    let place = Place::new("reader");
    let mut file = AppendFile::create(&place.0, MARK).expect("a file");
    let is_over = AtomicBool::new(false);
    let reads = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            // Once at least, however late it begins.
            loop {
                let found = numbers(&content(&place.0));
                assert!(found.iter().copied().eq(0..found.len() as u64));
                reads += 1;
                if is_over.load(Ordering::Relaxed) {
                    return reads;
                }
            }
        });
        // Also where something fails: the reader would go on for ever.
        for batch in 0..20_000 {
            append_batch(&mut file, batch * BATCH);
        }
        is_over.store(true, Ordering::Relaxed);
        reader.join().expect("a reader")
    });
    assert!(reads > 0);
    assert_eq!(numbers(&content(&place.0)).len() as u64, 20_000 * BATCH);
}

/// The process that is killed: appends, and says what it has appended.
#[test]
#[ignore = "a part of the test below"]
fn appending_until_killed() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let mut file = AppendFile::create(Path::new(&path), MARK).expect("a file");
    for batch in 0.. {
        append_batch(&mut file, batch * BATCH);
        println!("\nappended {}", (batch + 1) * BATCH);
    }
}

#[test]
fn what_was_appended_outlives_a_kill_and_what_was_not_acknowledged_is_whole_or_absent() {
    for round in 1..=8 {
        let place = Place::new("killed");
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "appending_until_killed", "--ignored", "--nocapture"])
            .env(FILE, &place.0)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut told = || {
            let line = lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("appended "))?;
            line["appended ".len()..].parse::<u64>().ok()
        };
        // It is killed wherever it happens to be by then.
        let mut last = told().expect("a first batch");
        while last < round * 300 * BATCH {
            last = told().expect("more batches");
        }
        std::thread::sleep(Duration::from_micros(137 * round));
        child.kill().expect("killed");
        child.wait().expect("its end");
        while let Some(more) = told() {
            last = more;
        }
        let found = numbers(&content(&place.0));
        assert!(found.iter().copied().eq(0..found.len() as u64), "round {round}");
        assert!(found.len() as u64 >= last, "round {round}: {last} were told, {} are there", found.len());
    }
}
