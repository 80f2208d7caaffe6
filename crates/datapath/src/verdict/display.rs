//! Operations as people read them, in the words of `ovs-dpctl(8)` where it has any.

use std::fmt;

use super::{Branch, Egress, Op, Track};
use crate::metadata::TunnelKey;
use crate::options::describe;
use tulle_conntrack::Nat;
use tulle_flow::{Field, Format};

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Set { field, value, mask } if *mask == field.ones() => {
                write!(f, "set({}={})", field.name(), Value(*field, *value))
            }
            Op::Set { field, value, mask } => {
                write!(f, "set({}={}/{})", field.name(), Value(*field, *value), Value(*field, *mask))
            }
            Op::PushVlan { tpid, tci } => {
                write!(f, "push_vlan(tpid={tpid:#06x},vid={},pcp={})", tci & 0xfff, tci >> 13)
            }
            Op::PopVlan => write!(f, "pop_vlan"),
            Op::PushMpls { ethertype, entry } => {
                let (label, tc, ttl, bos) = (entry >> 12, entry >> 9 & 7, entry & 0xff, entry >> 8 & 1);
                write!(f, "push_mpls(label={label},tc={tc},ttl={ttl},bos={bos},eth_type={ethertype:#x})")
            }
            Op::PopMpls(ethertype) => write!(f, "pop_mpls(eth_type={ethertype:#x})"),
            Op::PushPbb(tag) => {
                let (pcp, uca, isid) = (tag >> 29, tag >> 27 & 1, tag & 0xff_ffff);
                write!(f, "push_pbb(isid={isid},pcp={pcp},uca={uca})")
            }
            Op::PopPbb => write!(f, "pop_pbb"),
            Op::CopyTtlOut => write!(f, "copy_ttl_out"),
            Op::CopyTtlIn => write!(f, "copy_ttl_in"),
            Op::Output(egress) => egress.fmt(f),
            Op::Controller(info) => write!(f, "controller(max_len={})", info.max_len),
            Op::Drop(drop) => write!(f, "drop({})", drop.reason.name()),
            Op::Meter { meter, .. } => write!(f, "meter({meter})"),
            Op::Clone(branch) => write!(f, "clone({branch})"),
            Op::Track(track) => track.fmt(f),
            Op::CtClear => write!(f, "ct_clear"),
            Op::Resume(to) => write!(f, "recirc({:#x})", to.id()),
            Op::ResumeByLength { length, longer, others } => {
                let (longer, others) = (longer.id(), others.id());
                write!(f, "check_pkt_len(size={length},gt(recirc({longer:#x})),le(recirc({others:#x})))")
            }
            Op::Sample(sample) => {
                write!(f, "sample(probability={}/65535,set={})", sample.probability, sample.collector_set)
            }
        }
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, op) in self.ops.iter().enumerate() {
            write!(f, "{}{op}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(queue) = self.queue {
            write!(f, "set_queue({queue}),")?;
        }
        if self.max_len != u32::MAX {
            write!(f, "trunc({}),", self.max_len)?;
        }
        write!(f, "output:{}", self.port)?;
        let Some(tunnel) = &self.tunnel else { return describe(&self.options, f) };
        let TunnelKey { id, src, dst, .. } = **tunnel;
        write!(f, "(tun_id={id:#x},tun_src={src},tun_dst={dst})")?;
        describe(&self.options, f)
    }
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = &self.request;
        write!(f, "ct(")?;
        if request.commit {
            write!(f, "{},", if request.force { "force_commit" } else { "commit" })?;
        }
        write!(f, "zone={}", request.zone)?;
        if request.mark.mask != 0 {
            write!(f, ",mark={:#x}/{:#x}", request.mark.value, request.mark.mask)?;
        }
        if request.label.mask != 0 {
            write!(f, ",label={:#x}/{:#x}", request.label.value, request.label.mask)?;
        }
        if let Some(alg) = request.alg {
            write!(f, ",helper={}", alg.name())?;
        }
        match request.nat {
            Nat::None => {}
            Nat::Existing => write!(f, ",nat")?,
            Nat::Source(range) => write!(f, ",nat(src={}-{})", range.addresses.0, range.addresses.1)?,
            Nat::Destination(range) => write!(f, ",nat(dst={}-{})", range.addresses.0, range.addresses.1)?,
        }
        write!(f, ")")
    }
}

struct Value(Field, u128);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Value(field, value) = *self;
        match field.format() {
            Format::Decimal | Format::Port => write!(f, "{value}"),
            Format::Hex | Format::TcpFlags | Format::CtState | Format::TunFlags | Format::Frag => {
                write!(f, "{value:#x}")
            }
            Format::Ipv4 => write!(f, "{}", std::net::Ipv4Addr::from(value as u32)),
            Format::Ipv6 => write!(f, "{}", std::net::Ipv6Addr::from(value)),
            Format::Mac => {
                let bytes: Vec<_> = value.to_be_bytes()[10..].iter().map(|b| format!("{b:02x}")).collect();
                write!(f, "{}", bytes.join(":"))
            }
        }
    }
}
