//! Whether actions make sense: by themselves, in their order, and for the packets of the flow's match.

use tulle_flow::{
    Action, Bundle, Ct, CtZone, Field, Learn, LearnSource, LearnSpec, Match, Multipath, Prerequisite,
    SubField, port,
};

use crate::bytes::Parsed;
use crate::error::ErrorCode;
use crate::group::group_id;
use crate::meter::meter_id;

/// Checks the actions of a flow with this match.
///
/// Without a match (groups, packet-outs, and OpenFlow 1.0, which asks for no consistency) only what is wrong for
/// every packet is refused: a group or meter that cannot be, a conjunction with others, a field out of place.
/// Sources: OpenFlow 1.3.5 section 7.5.4.3 and `ovs-actions(7)`.
pub fn check_actions(actions: &[Action], matching: Option<&Match>) -> Result<(), ErrorCode> {
    check_order(actions)?;
    check_conjunctions(actions)?;
    Checker { packet: matching.copied(), within: Within::Flow }.check_all(actions)
}

/// Where the instructions stand among one another (see [`Action`]).
fn rank(action: &Action) -> u8 {
    match action {
        Action::ClearActions => 1,
        Action::WriteActions(_) => 2,
        Action::WriteMetadata { .. } => 3,
        Action::GotoTable(_) => 4,
        _ => 0,
    }
}

fn check_order(actions: &[Action]) -> Parsed<()> {
    let ranks: Vec<u8> = actions.iter().map(rank).collect();
    let ordered = |pair: &[u8]| pair[0] < pair[1] || (pair[0] == 0 && pair[1] == 0);
    if ranks.windows(2).all(ordered) { Ok(()) } else { Err(ErrorCode::UnsupportedActionOrder) }
}

fn check_conjunctions(actions: &[Action]) -> Parsed<()> {
    let is_conjunction = |action: &Action| matches!(action, Action::Conjunction { .. });
    let may_stand_beside = |action: &Action| is_conjunction(action) || matches!(action, Action::Note(_));
    let valid = |action: &Action| match action {
        Action::Conjunction { clause, clauses, .. } => (2..=64).contains(clauses) && clause < clauses,
        _ => true,
    };
    let alone = !actions.iter().any(is_conjunction) || actions.iter().all(may_stand_beside);
    if alone && actions.iter().all(valid) { Ok(()) } else { Err(ErrorCode::BadConjunction) }
}

/// What the actions stand in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Flow,
    Clone,
    ActionSet,
    Tracking,
}

struct Checker {
    /// What is known of the packet at this action: the match, changed by the actions before.
    packet: Option<Match>,
    within: Within,
}

impl Checker {
    fn check_all(mut self, actions: &[Action]) -> Parsed<()> {
        actions.iter().try_for_each(|action| self.check(action))
    }

    fn needs(&self, prerequisite: Prerequisite) -> Parsed<()> {
        let met = self.packet.is_none_or(|packet| packet.guarantees(prerequisite));
        if met { Ok(()) } else { Err(ErrorCode::MatchInconsistent) }
    }

    fn reads(&self, bits: SubField) -> Parsed<()> {
        self.needs(bits.field.prerequisite())
    }

    fn writes(&self, field: Field) -> Parsed<()> {
        let tracked = matches!(field, Field::CtMark | Field::CtLabel);
        if tracked != (self.within == Within::Tracking) {
            let code = if tracked { ErrorCode::BadSetArgument } else { ErrorCode::BadActionArgument };
            return Err(code);
        }
        if !field.is_writable() {
            return Err(ErrorCode::BadSetType);
        }
        self.needs(field.prerequisite())
    }

    fn check(&mut self, action: &Action) -> Parsed<()> {
        self.check_place(action)?;
        match action {
            Action::Set { field, .. } => self.writes(*field),
            Action::Move { source, target } => self.reads(*source).and(self.writes(target.field)),
            Action::Push(bits) | Action::OutputField(bits) => self.reads(*bits),
            Action::Pop(bits) => self.writes(bits.field),
            Action::CheckPacketLarger { target, .. } => self.writes(target.field),
            Action::Output(number) | Action::OutputNoting { port: number, .. } => check_port(*number),
            Action::OutputTruncated { port, max_len } => check_truncated(*port, *max_len),
            Action::Enqueue { port, .. } => check_enqueue(*port),
            Action::Group(group) if *group > group_id::MAX => Err(ErrorCode::BadOutGroup),
            Action::Meter(meter) if !(1..=meter_id::MAX).contains(meter) => Err(ErrorCode::InvalidMeter),
            Action::PushVlan(_) | Action::PopVlan | Action::SetVlanVid(_) | Action::SetVlanPcp(_) => {
                self.check_vlan(action)
            }
            Action::PushMpls(_) | Action::PopMpls(_) => self.check_mpls(action),
            Action::PushPbb(_) | Action::PopPbb => self.check_pbb(action),
            Action::SetMplsTtl(_) | Action::DecMplsTtl => self.needs(Prerequisite::Mpls),
            Action::SetTtl(_) | Action::DecTtl | Action::DecTtlTelling(_) => self.needs(Prerequisite::Ip),
            Action::FinTimeout { .. } => self.needs(Prerequisite::Tcp),
            Action::Learn(learn) => self.check_learn(learn),
            Action::Ct(ct) => self.check_ct(ct),
            Action::Multipath(multipath) => self.check_multipath(multipath),
            Action::Bundle(bundle) => self.check_bundle(bundle),
            Action::Clone(actions) => self.inner(Within::Clone).check_all(actions),
            Action::WriteActions(actions) => self.inner(Within::ActionSet).check_all(actions),
            _ => Ok(()),
        }
    }

    fn inner(&self, within: Within) -> Checker {
        Checker { packet: self.packet, within }
    }

    /// Some actions may not stand in others.
    fn check_place(&self, action: &Action) -> Parsed<()> {
        let instruction = matches!(action, Action::Meter(_)) || rank(action) != 0;
        match self.within {
            Within::Flow => Ok(()),
            Within::Tracking if !matches!(action, Action::Set { .. } | Action::Move { .. }) => {
                Err(ErrorCode::BadActionArgument)
            }
            Within::ActionSet if !may_be_in_set(action) => Err(ErrorCode::BadActionType),
            _ if instruction => Err(ErrorCode::BadActionArgument),
            _ => Ok(()),
        }
    }

    fn check_vlan(&mut self, action: &Action) -> Parsed<()> {
        const PRESENT: u128 = 0x1000;
        match action {
            Action::PushVlan(0x8100 | 0x88a8) => {}
            Action::PushVlan(_) => return Err(ErrorCode::BadActionArgument),
            Action::SetVlanVid(vid) if *vid > 0x0fff => return Err(ErrorCode::BadActionArgument),
            Action::SetVlanPcp(pcp) if *pcp > 7 => return Err(ErrorCode::BadActionArgument),
            Action::PopVlan => {
                self.needs(Prerequisite::Vlan)?;
                self.know(Field::VlanTci, 0, 0);
                return Ok(());
            }
            _ => {}
        }
        self.know(Field::VlanTci, PRESENT, PRESENT);
        Ok(())
    }

    fn check_mpls(&mut self, action: &Action) -> Parsed<()> {
        let kind = match action {
            Action::PushMpls(kind @ (0x8847 | 0x8848)) => *kind,
            Action::PopMpls(kind) => {
                self.needs(Prerequisite::Mpls)?;
                *kind
            }
            _ => return Err(ErrorCode::BadActionArgument),
        };
        self.know(Field::EthType, kind.into(), u128::MAX);
        self.know(Field::IpProto, 0, 0);
        Ok(())
    }

    /// Of what was the customer's nothing is known once the backbone's header is gone.
    fn check_pbb(&mut self, action: &Action) -> Parsed<()> {
        const PBB: u128 = 0x88e7;
        match action {
            Action::PushPbb(0x88e7) => {
                self.know(Field::EthType, PBB, u128::MAX);
                self.know(Field::VlanTci, 0, u128::MAX);
            }
            Action::PopPbb => {
                self.needs(Prerequisite::Pbb)?;
                self.know(Field::EthType, 0, 0);
                self.know(Field::VlanTci, 0, 0);
            }
            _ => return Err(ErrorCode::BadActionArgument),
        }
        self.know(Field::IpProto, 0, 0);
        Ok(())
    }

    /// What an action makes of the packet.
    fn know(&mut self, field: Field, value: u128, mask: u128) {
        if let Some(packet) = &mut self.packet {
            packet.require(field, value, mask);
        }
    }

    fn check_learn(&self, learn: &Learn) -> Parsed<()> {
        if let Some(result) = learn.result {
            self.writes(result.field)?;
        }
        for spec in &learn.specs {
            match spec {
                LearnSpec::Match { source, .. } => self.check_source(source)?,
                LearnSpec::Load { source, target } => {
                    self.check_source(source)?;
                    if !target.field.is_writable() {
                        return Err(ErrorCode::BadSetType);
                    }
                }
                LearnSpec::Output(bits) => self.reads(*bits)?,
            }
        }
        Ok(())
    }

    fn check_source(&self, source: &LearnSource) -> Parsed<()> {
        match source {
            LearnSource::Field(bits) => self.reads(*bits),
            LearnSource::Value(_) => Ok(()),
        }
    }

    fn check_ct(&self, ct: &Ct) -> Parsed<()> {
        self.needs(Prerequisite::Ip)?;
        if let CtZone::Field(bits) = ct.zone {
            self.reads(bits)?;
        }
        let translates = ct.nat.as_ref().is_some_and(|nat| nat.kind != tulle_flow::NatKind::Existing);
        if !ct.commit && (ct.force || translates || !ct.exec.is_empty()) {
            return Err(ErrorCode::BadActionArgument);
        }
        if let Some((first, _)) = ct.nat.as_ref().and_then(|nat| nat.addresses) {
            self.needs(if first.is_ipv4() { Prerequisite::Ipv4 } else { Prerequisite::Ipv6 })?;
        }
        self.inner(Within::Tracking).check_all(&ct.exec)
    }

    fn check_multipath(&self, multipath: &Multipath) -> Parsed<()> {
        self.writes(multipath.target.field)
    }

    fn check_bundle(&self, bundle: &Bundle) -> Parsed<()> {
        bundle.target.map_or(Ok(()), |target| self.writes(target.field))?;
        let member = |number: &u32| matches!(*number, port::LOCAL | port::NONE) || *number < 0xff00;
        if bundle.members.iter().all(member) { Ok(()) } else { Err(ErrorCode::BadOutPort) }
    }
}

fn check_port(number: u32) -> Parsed<()> {
    super::standard::output(number, 0).map(|_| ())
}

fn check_truncated(number: u32, max_len: u32) -> Parsed<()> {
    const ETHERNET_HEADER: u32 = 14;
    let special = matches!(number, port::LOCAL | port::IN_PORT);
    if !special && !(1..0xff00).contains(&number) {
        return Err(ErrorCode::BadOutPort);
    }
    if max_len < ETHERNET_HEADER { Err(ErrorCode::BadActionArgument) } else { Ok(()) }
}

fn check_enqueue(number: u32) -> Parsed<()> {
    let special = matches!(number, port::LOCAL | port::IN_PORT);
    if special || (1..0xff00).contains(&number) { Ok(()) } else { Err(ErrorCode::BadOutPort) }
}

/// OpenFlow 1.3.5 section 5.10, and what Open vSwitch takes besides.
fn may_be_in_set(action: &Action) -> bool {
    matches!(
        action,
        Action::Output(_)
            | Action::OutputNoting { .. }
            | Action::Controller { .. }
            | Action::Group(_)
            | Action::Resubmit { .. }
            | Action::ResubmitTracked { .. }
            | Action::Ct(_)
            | Action::CtClear
            | Action::Set { .. }
            | Action::SetOption(_)
            | Action::Move { .. }
            | Action::SetVlanVid(_)
            | Action::SetVlanPcp(_)
            | Action::PushVlan(_)
            | Action::PopVlan
            | Action::PushMpls(_)
            | Action::PopMpls(_)
            | Action::PushPbb(_)
            | Action::PopPbb
            | Action::SetMplsTtl(_)
            | Action::DecMplsTtl
            | Action::CopyTtlIn
            | Action::CopyTtlOut
            | Action::SetTtl(_)
            | Action::DecTtl
            | Action::DecTtlTelling(_)
            | Action::SetQueue(_)
    )
}
