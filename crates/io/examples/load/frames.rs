//! The frames: UDP over IPv4 to port 9 (discard), with a sequence number in the payload.

/// The destination port that marks them.
pub(crate) const PORT: u16 = 9;
/// Where the sequence number lies: behind Ethernet, IPv4 and UDP.
const SEQUENCE_AT: usize = 14 + 20 + 8;
/// The shortest frame: headers and sequence number.
pub(crate) const SHORTEST: usize = SEQUENCE_AT + 8;

/// Writes the frame of one flow; source address and source port tell flows apart.
pub(crate) fn fill(frame: &mut [u8], destination: [u8; 6], flow: u32) {
    let ip_len = (frame.len() - 14) as u16;
    frame.fill(0);
    frame[..6].copy_from_slice(&destination);
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    frame[12..24].copy_from_slice(&[8, 0, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17]);
    frame[16..18].copy_from_slice(&ip_len.to_be_bytes());
    frame[26..34].copy_from_slice(&[10, 1, (flow >> 8) as u8, flow as u8, 10, 2, 0, 1]);
    let checksum = !sum(&frame[14..34]);
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    frame[34..36].copy_from_slice(&((1024 + flow % 60_000) as u16).to_be_bytes());
    frame[36..38].copy_from_slice(&PORT.to_be_bytes());
    frame[38..40].copy_from_slice(&(ip_len - 20).to_be_bytes());
}

/// Numbers a frame.
pub(crate) fn set_sequence(frame: &mut [u8], sequence: u64) {
    frame[SEQUENCE_AT..SHORTEST].copy_from_slice(&sequence.to_be_bytes());
}

/// The flow and the number of a frame; `None` if it is none of ours.
pub(crate) fn identity(frame: &[u8]) -> Option<([u8; 6], u64)> {
    let sequence = frame.get(SEQUENCE_AT..SHORTEST)?.try_into().ok()?;
    let mut flow = [0; 6];
    flow[..4].copy_from_slice(&frame[26..30]);
    flow[4..].copy_from_slice(&frame[34..36]);
    Some((flow, u64::from_be_bytes(sequence)))
}

fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let total: u32 = words.sum();
    let folded = (total & 0xffff) + (total >> 16);
    ((folded & 0xffff) + (folded >> 16)) as u16
}
