use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tulle_flow::{Action, Field};
use tulle_openflow::*;

use super::actions::{any_action, consistent};
use super::{any_name, any_port_number};

pub fn any_port() -> impl Strategy<Value = Port> {
    (any_port_number(), any_name(15), any::<[u8; 6]>(), any::<[u32; 8]>()).prop_map(
        |(number, name, mac, n)| Port {
            number,
            mac,
            name,
            config: n[0],
            state: n[1],
            current: n[2],
            advertised: n[3],
            supported: n[4],
            peer: n[5],
            current_speed_kbps: n[6],
            max_speed_kbps: n[7],
        },
    )
}

pub fn any_port_mod() -> impl Strategy<Value = PortMod> {
    (any_port_number(), any::<[u8; 6]>(), any::<[u32; 3]>())
        .prop_map(|(number, mac, [config, mask, advertise])| PortMod { number, mac, config, mask, advertise })
}

pub fn any_table_config() -> impl Strategy<Value = TableConfig> {
    let vacancy =
        (0..50_u8, 50..=100_u8, any::<u8>()).prop_map(|(down, up, current)| Vacancy { down, up, current });
    (any::<u8>(), any::<u32>(), option::of(any::<u32>()), option::of(vacancy))
        .prop_map(|(table, config, eviction, vacancy)| TableConfig { table, config, eviction, vacancy })
}

fn any_bucket(id: u32, weighs: bool) -> impl Strategy<Value = Bucket> {
    let actions = vec(any_action(), 0..3).prop_map(|actions| consistent(actions, None));
    let weight = if weighs { 0..9_u16 } else { 0..1 };
    let watches = (option::of(any_port_number()), option::of(0..9_u32));
    (weight, watches, actions).prop_map(move |(weight, (watch_port, watch_group), actions)| Bucket {
        id,
        weight,
        watch_port,
        watch_group,
        actions,
    })
}

fn any_selection() -> impl Strategy<Value = Selection> {
    prop_oneof![
        any::<u64>().prop_map(|parameter| Selection {
            method: SelectionMethod::DatapathHash,
            parameter,
            fields: vec![]
        }),
        (any::<u64>(), 0..0xffff_u16).prop_map(|(parameter, mask)| Selection {
            method: SelectionMethod::Hash,
            parameter,
            fields: vec![(Field::IpSrc, Field::IpSrc.ones()), (Field::TcpDst, mask.into())],
        }),
    ]
}

/// A selecting group.
pub fn any_group() -> impl Strategy<Value = Group> {
    let buckets = prop_oneof![
        Just(Vec::new()).boxed(),
        any_bucket(0, true).prop_map(|one| vec![one]).boxed(),
        (any_bucket(0, true), any_bucket(1, true)).prop_map(|(one, two)| vec![one, two]).boxed(),
    ];
    (0..group_id::MAX, buckets, option::of(any_selection())).prop_map(|(group, buckets, selection)| Group {
        group,
        kind: GroupKind::Select,
        buckets,
        selection,
    })
}

pub fn any_group_mod() -> impl Strategy<Value = GroupMod> {
    let command =
        prop::sample::select(vec![GroupCommand::Add, GroupCommand::Modify, GroupCommand::AddOrModify]);
    let whole = (command, any_group()).prop_map(|(command, group)| GroupMod {
        command,
        group,
        bucket: bucket_id::ALL,
    });
    let delete = (0..=group_id::MAX).prop_map(|group| GroupMod {
        command: GroupCommand::Delete,
        group: Group { group, ..Group::default() },
        bucket: bucket_id::ALL,
    });
    let insert = (any_group(), 0..bucket_id::MAX).prop_map(|(group, bucket)| GroupMod {
        command: GroupCommand::InsertBucket,
        group: Group { selection: None, ..group },
        bucket,
    });
    let remove = (0..=group_id::MAX).prop_map(|group| GroupMod {
        command: GroupCommand::RemoveBucket,
        group: Group { group, ..Group::default() },
        bucket: bucket_id::LAST,
    });
    prop_oneof![whole, delete, insert, remove]
}

pub fn any_meter() -> impl Strategy<Value = Meter> {
    let kind = prop_oneof![Just(MeterBandKind::Drop), any::<u8>().prop_map(MeterBandKind::DscpRemark)];
    let band =
        (kind, 1..u32::MAX, any::<u32>()).prop_map(|(kind, rate, burst)| MeterBand { kind, rate, burst });
    let flags = prop::sample::select(vec![0, 1, 2, 4, 8, 13]);
    (1..meter_id::MAX, flags, vec(band, 0..3)).prop_map(|(meter, flags, bands)| Meter { meter, flags, bands })
}

pub fn any_queue() -> impl Strategy<Value = Queue> {
    (any_port_number(), any::<u32>(), option::of(any::<u16>()), option::of(any::<u16>()))
        .prop_map(|(port, queue, min_rate, max_rate)| Queue { port, queue, min_rate, max_rate })
}

pub fn any_actions() -> impl Strategy<Value = Vec<Action>> {
    vec(any_action(), 0..4).prop_map(|actions| consistent(actions, None))
}
