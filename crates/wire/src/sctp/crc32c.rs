//! The CRC32c (RFC 9260 appendix A), eight bytes at a time.

/// Castagnoli's polynomial, bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;
const AT_ONCE: usize = 8;

/// What a byte does to the CRC that is followed by so many bytes of zero.
const TABLES: [[u32; 256]; AT_ONCE] = tables();

const fn tables() -> [[u32; 256]; AT_ONCE] {
    let mut tables = [[0; 256]; AT_ONCE];
    let mut byte = 0;
    while byte < 256 {
        let (mut value, mut bit) = (byte as u32, 0);
        while bit < 8 {
            value = (value >> 1) ^ (POLYNOMIAL & (value & 1).wrapping_neg());
            bit += 1;
        }
        tables[0][byte] = value;
        byte += 1;
    }
    let mut following = 1;
    while following < AT_ONCE {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[following - 1][byte];
            tables[following][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        following += 1;
    }
    tables
}

/// The CRC after more bytes; it begins with all ones, and is complemented in the end.
pub(super) fn add(mut crc: u32, mut bytes: &[u8]) -> u32 {
    while let Some((chunk, rest)) = bytes.split_first_chunk::<AT_ONCE>() {
        let word = u64::from_le_bytes(*chunk) ^ u64::from(crc);
        crc = 0;
        for (byte, table) in word.to_le_bytes().into_iter().zip(TABLES.iter().rev()) {
            crc ^= table[usize::from(byte)];
        }
        bytes = rest;
    }
    bytes.iter().fold(crc, |crc, byte| (crc >> 8) ^ TABLES[0][usize::from(crc as u8 ^ byte)])
}

/// The CRC after so many bytes of zero.
pub(super) fn add_zeros(mut crc: u32, count: usize) -> u32 {
    for _ in 0..count / AT_ONCE {
        crc = add(crc, &[0; AT_ONCE]);
    }
    add(crc, &[0; AT_ONCE][..count % AT_ONCE])
}
