//! A trace tells what forwarding does, and does nothing itself.

use crate::frames::{self, Checksum};
use crate::recorder::{counts, from_port, send, switch};
use tulle_datapath::DropReason;
use tulle_wire::vnet::Offload;

#[test]
fn a_trace_tells_the_steps_and_counts_nothing() {
    let mut datapath = switch(&[
        "cookie=0x1,table=0,priority=7,in_port=1,ip actions=set_field:5->reg0,resubmit(,2),resubmit(,3)",
        "cookie=0x2,table=2,priority=9,reg0=5 actions=dec_ttl,set_field:0x44->tun_id,output:2",
    ]);
    let frame = frames::ipv4(64, &frames::tcp(1, 80, b"x"), Checksum::Full);
    let trace = datapath.trace(&frame, &Offload::default(), &from_port(1)).expect("a whole frame");
    let steps: Vec<_> = trace
        .steps
        .iter()
        .map(|step| {
            (
                step.depth,
                step.table,
                step.flow.as_ref().map(|f| (f.priority, f.cookie, &f.matching[..], &f.actions[..])),
            )
        })
        .collect();
    assert_eq!(
        steps,
        [
            (0, 0, Some((7, 1, "ip,in_port=1", "set_field:0x5->reg0,resubmit(,2),resubmit(,3)"))),
            (1, 2, Some((9, 2, "reg0=0x5", "dec_ttl,set_field:0x44->tun_id,output:2"))),
            (1, 3, None),
        ]
    );
    assert_eq!(
        trace.operations,
        ["set(nw_ttl=63)", "output:2(tun_id=0x44,tun_src=0.0.0.0,tun_dst=0.0.0.0)", "drop(no-match)"]
    );
    assert_eq!(trace.drops.iter().map(|drop| drop.reason).collect::<Vec<_>>(), [DropReason::NoMatch]);
    assert_eq!(counts(&mut datapath), [(0, 0), (0, 0)]);
    assert_eq!(datapath.drops().total(DropReason::NoMatch), 0);
    assert_eq!(datapath.cache_stats().entries, 0);

    let sent = send(&mut datapath, &frame, 1);
    assert_eq!(trace.outputs.iter().map(|output| &output.frame[..]).collect::<Vec<_>>(), sent.frames());
}

#[test]
fn a_frame_that_is_no_packet_has_no_trace_but_a_reason() {
    let datapath = switch(&[]);
    assert_eq!(datapath.trace(&[0; 3], &Offload::default(), &from_port(1)), Err(DropReason::FrameTooShort));
}

#[test]
fn a_header_is_changed_once_for_all_outputs_after_it() {
    let datapath = switch(&["ip actions=set_field:5->nw_tos,output:2,output:3,dec_ttl,output:4"]);
    let frame = frames::ipv4(64, &frames::tcp(1, 80, b"x"), Checksum::Full);
    let trace = datapath.trace(&frame, &Offload::default(), &from_port(1)).expect("a whole frame");
    let expected = ["set(nw_tos=5)", "output:2", "output:3", "set(nw_ttl=63)", "output:4"];
    assert_eq!(trace.operations, expected);
}
