//! What a device does for those who send and receive by it, as `ethtool -k` shows it (linux/ethtool.h).

use std::ffi::c_void;
use std::io;
use std::os::fd::OwnedFd;

use crate::sys::{interface_ioctl, interface_request, socket};

const ETHTOOL_STRINGS: u32 = 0x1b;
const ETHTOOL_STRING_COUNT: u32 = 0x37;
const ETHTOOL_FEATURES: u32 = 0x3a;
const ETHTOOL_CHANNELS: u32 = 0x3c;
/// The set of strings that names the features.
const FEATURE_NAMES: u32 = 4;
const NAME_LEN: usize = 32;
/// Words of 32 bits before the strings, and before the features.
const STRINGS_AT: usize = 3;
const FEATURES_AT: usize = 2;
/// For each 32 features: which there can be, are wanted, are on, and never change.
const WORDS_OF_BLOCK: usize = 4;
const ON: usize = 2;
/// There are about 64; the kernel is not believed more.
const MOST_FEATURES: usize = 1024;

/// The features of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    on: Vec<String>,
    /// By how many queues it sends; `None` where its driver does not say.
    pub queues: Option<u32>,
}

impl Features {
    /// Of a device in the network namespace of the calling thread.  Errors: ENODEV.
    pub fn of(device: &str) -> io::Result<Features> {
        let asking = Asking { socket: socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?, device };
        let names = asking.names()?;
        let blocks = asking.blocks(names.len())?;
        let is_on = |at: usize| {
            let word = blocks.get(at / 32 * WORDS_OF_BLOCK + ON).copied().unwrap_or(0);
            word >> (at % 32) & 1 == 1
        };
        let on = names.into_iter().enumerate().filter(|(at, _)| is_on(*at)).map(|(_, name)| name);
        Ok(Features { on: on.collect(), queues: asking.queues()? })
    }

    /// Whether one of this name (`tx-tcp-segmentation`) is on.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.on.iter().any(|on| on == name)
    }
}

struct Asking<'a> {
    socket: OwnedFd,
    device: &'a str,
}

impl Asking<'_> {
    /// Has the kernel fill `words`, which begin with the command and are as long as its answer: the kernel has a
    /// fixed number of features, and asked for their names it gives all of them.
    fn ask(&self, words: &mut [u32]) -> io::Result<()> {
        let mut request = interface_request(self.device)?;
        request.ifr_ifru.ifru_data = words.as_mut_ptr().cast::<c_void>().cast();
        interface_ioctl(&self.socket, libc::SIOCETHTOOL as libc::Ioctl, &mut request)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        // Command, reserved, a mask of 64 bits, one count.
        let mask = (1_u64 << FEATURE_NAMES).to_ne_bytes();
        let half = |at: usize| u32::from_ne_bytes(std::array::from_fn(|i| mask[at + i]));
        let mut count = [ETHTOOL_STRING_COUNT, 0, half(0), half(4), 0];
        self.ask(&mut count)?;
        let count = count[4] as usize;
        if count > MOST_FEATURES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut strings = vec![0; STRINGS_AT + count * NAME_LEN / 4];
        strings[..STRINGS_AT].copy_from_slice(&[ETHTOOL_STRINGS, FEATURE_NAMES, count as u32]);
        self.ask(&mut strings)?;
        let bytes: Vec<u8> = strings[STRINGS_AT..].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let name = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
        };
        Ok(bytes.chunks(NAME_LEN).map(name).collect())
    }

    fn blocks(&self, count: usize) -> io::Result<Vec<u32>> {
        let blocks = count.div_ceil(32);
        let mut words = vec![0; FEATURES_AT + blocks * WORDS_OF_BLOCK];
        words[..FEATURES_AT].copy_from_slice(&[ETHTOOL_FEATURES, blocks as u32]);
        self.ask(&mut words)?;
        Ok(words.split_off(FEATURES_AT))
    }

    fn queues(&self) -> io::Result<Option<u32>> {
        // Command, four maxima, then receiving, sending, other and combined channels.
        let mut channels = [0; 9];
        channels[0] = ETHTOOL_CHANNELS;
        match self.ask(&mut channels) {
            Ok(()) => Ok(Some(channels[6].saturating_add(channels[8]))),
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
