//! The command line.

use std::str::FromStr;
use std::time::Duration;

use crate::Failure;

/// What is to be done, and how.
pub(crate) struct Arguments {
    pub command: String,
    pub device: String,
    pub flows: u32,
    pub duration: Duration,
    pub size: usize,
    /// Packets a second; as many as possible without.
    pub rate: Option<f64>,
    pub destination: [u8; 6],
    pub verify: bool,
    pub cpu: Option<usize>,
}

impl Arguments {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut arguments = Self {
            command: words.next().ok_or("expected a command")?,
            device: words.next().ok_or("expected a device")?,
            flows: 1,
            duration: Duration::from_secs(1),
            size: 64,
            rate: None,
            destination: [2, 0, 0, 0, 0, 2],
            verify: false,
            cpu: None,
        };
        while let Some(option) = words.next() {
            match option.as_str() {
                "--flows" => arguments.flows = value(&option, words.next())?,
                "--seconds" => {
                    arguments.duration = Duration::try_from_secs_f64(value(&option, words.next())?)?
                }
                "--size" => arguments.size = value(&option, words.next())?,
                "--rate" => arguments.rate = Some(value(&option, words.next())?),
                "--destination" => arguments.destination = mac(&value::<String>(&option, words.next())?)?,
                "--verify" => arguments.verify = true,
                "--cpu" => arguments.cpu = Some(value(&option, words.next())?),
                _ => return Err(format!("unknown option {option}").into()),
            }
        }
        Ok(arguments)
    }
}

fn value<T: FromStr<Err: std::error::Error + 'static>>(
    option: &str,
    word: Option<String>,
) -> Result<T, Failure> {
    let word = word.ok_or_else(|| format!("{option} needs a value"))?;
    word.parse().map_err(|why| format!("{option} {word}: {why}").into())
}

fn mac(text: &str) -> Result<[u8; 6], Failure> {
    let bytes: Result<Vec<u8>, _> = text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect();
    bytes?.try_into().map_err(|_| "expected a MAC of 6 bytes".into())
}
