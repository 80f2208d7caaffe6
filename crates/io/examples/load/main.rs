//! Loads a path with small UDP packets and counts what comes out of it, for measurements only.
//!
//! load send DEVICE [--flows N] [--seconds S] [--size BYTES] [--rate R] [--destination MAC] [--cpu C]
//! load count DEVICE [--seconds S] [--verify] [--cpu C]
//!
//! Each prints one line of JSON.  Sizes are those of the frame without the checksum that hardware adds.

mod arguments;
mod count;
mod frames;
mod send;

use std::error::Error;

use arguments::Arguments;

/// Anything that ends the program with a message.
type Failure = Box<dyn Error>;

const USAGE: &str = "usage: load send DEVICE [--flows N] [--seconds S] [--size BYTES] [--rate R] \
[--destination MAC] [--cpu C]\n       load count DEVICE [--seconds S] [--verify] [--cpu C]";

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse(std::env::args().skip(1)).map_err(|why| format!("{why}\n{USAGE}"))?;
    if let Some(cpu) = arguments.cpu {
        tulle_io::thread::pin_to_cpu(cpu)?;
    }
    match arguments.command.as_str() {
        "send" => send::run(&arguments),
        "count" if arguments.verify => count::verify(&arguments),
        "count" => count::run(&arguments),
        _ => Err(USAGE.into()),
    }
}
