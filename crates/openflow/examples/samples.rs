//! Emits messages of every kind in every version that has them: a line each with version, name and hexadecimal.
//!
//! `cargo run --example samples | awk '{print $3}' | xargs -n1 ovs-ofctl ofp-print`

use std::time::Duration;

use tulle_flow::{Action, Field, Flow, Match};
use tulle_openflow::*;

fn main() {
    for version in Version::ALL {
        for (name, message) in samples(version) {
            let mut bytes = Vec::new();
            if message.emit(version, 7, &mut bytes).is_ok() {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                println!("{version} {name} {hex}");
            }
        }
    }
}

fn matching() -> Match {
    "tcp,in_port=3,nw_src=10.0.0.0/8,tcp_dst=80".parse().unwrap_or_default()
}

fn flow() -> Flow {
    let actions = vec![Action::Output(2), Action::Set { field: Field::Reg0, value: 5, mask: 0xffff_ffff }];
    Flow { table: 3, priority: 9, cookie: 5, matching: matching(), actions, ..Flow::default() }
}

fn stats() -> FlowStats {
    let duration = Duration::from_millis(1500);
    FlowStats { flow: flow(), duration, packets: 3, bytes: 180, ..FlowStats::default() }
}

fn port() -> Port {
    let (current, advertised) = (0x840, 0x2820);
    let name = "eth0".to_owned();
    Port {
        number: 3,
        mac: [2, 0, 0, 0, 0, 1],
        name,
        state: Port::STATE_LIVE,
        current,
        advertised,
        ..Port::default()
    }
}

fn group(version: Version) -> Group {
    let bucket = |id| Bucket { id, weight: 3, actions: vec![Action::Output(id + 1)], ..Bucket::default() };
    let fields = vec![(Field::IpSrc, Field::IpSrc.ones()), (Field::TcpDst, 0xff)];
    let selection = Selection { method: SelectionMethod::Hash, parameter: 5, fields };
    let new = matches!(version, Version::V10 | Version::V15);
    Group {
        group: 7,
        kind: GroupKind::Select,
        buckets: vec![bucket(0), bucket(1)],
        selection: Some(selection).filter(|_| new),
    }
}

fn meter() -> Meter {
    let bands = vec![
        MeterBand { kind: MeterBandKind::Drop, rate: 1000, burst: 100 },
        MeterBand { kind: MeterBandKind::DscpRemark(1), rate: 500, burst: 50 },
    ];
    Meter { meter: 4, flags: meter_flags::KBPS | meter_flags::BURST, bands }
}

fn packet_in(format: PacketInFormat) -> Message {
    let mut metadata = Match::ANY;
    metadata.require(Field::InPort, 3, u128::MAX);
    metadata.require(Field::Reg1, 9, u128::MAX);
    let data = vec![0xff; 60];
    Message::PacketIn(PacketIn {
        format,
        total_len: 60,
        table: 2,
        cookie: 5,
        metadata,
        data,
        ..PacketIn::default()
    })
}

fn table() -> TableConfig {
    let vacancy = Some(Vacancy { down: 10, up: 20, current: 15 });
    let config = table_config::EVICTION | table_config::VACANCY_EVENTS;
    TableConfig { table: 3, config, eviction: Some(table_config::EVICT_BY_IMPORTANCE), vacancy }
}

fn async_config() -> AsyncConfig {
    let masks = AsyncMasks {
        packet_in: Some(3),
        port_status: Some(7),
        flow_removed: Some(7),
        ..AsyncMasks::default()
    };
    AsyncConfig { master: masks, slave: masks }
}

fn samples(version: Version) -> Vec<(&'static str, Message)> {
    let mut samples = requests(version);
    samples.extend(replies(version));
    samples.extend(notices());
    samples.extend(changes(version));
    samples
}

fn notices() -> Vec<(&'static str, Message)> {
    let stats = stats();
    let removed = FlowRemoved {
        cookie: 5,
        priority: 9,
        reason: RemovedReason::IdleTimeout,
        table: 3,
        duration: stats.duration,
        idle_timeout: 5,
        hard_timeout: 0,
        packets: 3,
        bytes: 180,
        matching: matching(),
    };
    vec![
        ("error", Message::Error(ErrorReport { code: ErrorCode::BadPrerequisite, data: vec![0; 8] })),
        ("error-bundle", Message::Error(ErrorReport { code: ErrorCode::BadBundle, data: vec![0; 8] })),
        ("packet-in", packet_in(PacketInFormat::Standard)),
        ("packet-in-nicira", packet_in(PacketInFormat::Nicira)),
        ("packet-in-nicira2", packet_in(PacketInFormat::Nicira2)),
        ("flow-removed", Message::FlowRemoved(removed)),
        ("port-status", Message::PortStatus(PortStatus { reason: PortStatusReason::Added, port: port() })),
        (
            "role-status",
            Message::RoleStatus(RoleStatus {
                role: Role::Slave,
                reason: RoleStatusReason::MasterRequest,
                generation: 5,
            }),
        ),
        (
            "table-status",
            Message::TableStatus(TableStatus { reason: TableStatusReason::VacancyDown, table: table() }),
        ),
        ("flow-monitor-paused", Message::FlowMonitorPaused),
        ("flow-monitor-resumed", Message::FlowMonitorResumed),
        (
            "request-forward",
            Message::RequestForward(RequestForward {
                xid: 9,
                message: Box::new(Message::MeterMod(MeterMod { command: MeterCommand::Add, meter: meter() })),
            }),
        ),
    ]
}

fn changes(version: Version) -> Vec<(&'static str, Message)> {
    let group_mod = |command, bucket| Message::GroupMod(GroupMod { command, group: group(version), bucket });
    let change = Message::FlowMod(FlowMod::new(FlowModCommand::Add, Flow { table: 0, ..flow() }));
    let control =
        BundleControl { bundle: 5, kind: BundleControlKind::OpenRequest, flags: bundle_flags::ATOMIC };
    let port_mod = PortMod { number: 3, mac: [2, 0, 0, 0, 0, 1], config: 1, mask: 1, advertise: 0x20 };
    let out = PacketOut {
        in_port: 3,
        actions: vec![Action::Output(2)],
        data: vec![0xff; 60],
        ..PacketOut::default()
    };
    let tuple = CtTuple { source: "1.2.3.4".parse().ok(), source_port: Some(5), ..CtTuple::default() };
    let map = TlvMap { class: 0xffff, kind: 0, length: 4, index: 3 };
    vec![
        ("flow-mod", change.clone()),
        ("packet-out", Message::PacketOut(out)),
        ("group-mod", group_mod(GroupCommand::Add, bucket_id::ALL)),
        (
            "group-mod-delete",
            Message::GroupMod(GroupMod {
                command: GroupCommand::Delete,
                group: Group { group: 7, ..Group::default() },
                bucket: bucket_id::ALL,
            }),
        ),
        ("meter-mod", Message::MeterMod(MeterMod { command: MeterCommand::Add, meter: meter() })),
        ("port-mod", Message::PortMod(port_mod)),
        ("table-mod", Message::TableMod(table())),
        ("set-config", Message::SetConfig(Config { flags: 1, miss_send_len: 99 })),
        ("set-async", Message::SetAsync(async_config())),
        ("bundle-control", Message::BundleControl(control)),
        ("bundle-add", Message::BundleAdd(BundleAdd { bundle: 5, flags: 1, message: Box::new(change) })),
        ("set-packet-in-format", Message::SetPacketInFormat(PacketInFormat::Nicira2)),
        ("set-nicira-flows", Message::SetNiciraFlows(true)),
        ("set-flow-mod-table-id", Message::SetFlowModTableId(true)),
        ("set-controller-id", Message::SetControllerId(5)),
        ("flow-monitor-cancel", Message::FlowMonitorCancel(5)),
        (
            "tlv-table-mod",
            Message::TlvTableMod(TlvTableMod { command: TlvTableCommand::Add, maps: vec![map] }),
        ),
        ("ct-flush-zone", Message::CtFlushZone(5)),
        (
            "ct-flush",
            Message::CtFlush(CtFlush { protocol: 6, zone: Some(5), original: tuple, ..CtFlush::default() }),
        ),
    ]
}

fn requests(version: Version) -> Vec<(&'static str, Message)> {
    let flows = FlowStatsRequest { matching: matching(), out_port: Some(3), ..FlowStatsRequest::default() };
    let monitor = FlowMonitor { monitor: 5, flags: 0x1f, matching: matching(), ..FlowMonitor::default() };
    let role = RoleState { role: Role::Master, generation: Some(5) };
    let features = TableFeatures::complete(version, 1, 5, 100);
    let multipart = vec![
        ("desc", MultipartRequest::Description),
        ("flow", MultipartRequest::Flows(flows.clone())),
        ("nicira-flow", MultipartRequest::NiciraFlows(flows.clone())),
        ("aggregate", MultipartRequest::Aggregate(flows.clone())),
        ("nicira-aggregate", MultipartRequest::NiciraAggregate(flows)),
        ("table", MultipartRequest::Tables),
        ("port-stats", MultipartRequest::PortStats(3)),
        ("queue-stats", MultipartRequest::QueueStats(QueueSelector::default())),
        ("group-stats", MultipartRequest::GroupStats(7)),
        ("group-desc", MultipartRequest::GroupDescriptions(group_id::ALL)),
        ("group-features", MultipartRequest::GroupFeatures),
        ("meter-stats", MultipartRequest::MeterStats(meter_id::ALL)),
        ("meter-config", MultipartRequest::MeterConfigs(4)),
        ("meter-features", MultipartRequest::MeterFeatures),
        ("table-features", MultipartRequest::TableFeatures(vec![features])),
        ("port-desc", MultipartRequest::Ports(tulle_flow::port::NONE)),
        ("table-desc", MultipartRequest::TableDescriptions),
        ("queue-desc", MultipartRequest::QueueDescriptions(QueueSelector::default())),
        ("flow-monitor", MultipartRequest::FlowMonitors(vec![monitor])),
        ("ipfix-bridge", MultipartRequest::IpfixBridge),
    ];
    let each = |(name, request)| (name, Message::MultipartRequest { more: false, request });
    let mut requests: Vec<_> = multipart.into_iter().map(each).collect();
    requests.extend([
        ("hello", Message::Hello(Hello::offering(Versions::ALL))),
        ("echo", Message::EchoRequest(vec![1, 2])),
        ("features", Message::FeaturesRequest),
        ("barrier", Message::BarrierRequest),
        ("queue-config", Message::QueueConfigRequest(3)),
        ("role", Message::RoleRequest(role)),
        ("async", Message::AsyncRequest),
        ("tlv-table", Message::TlvTableRequest),
    ]);
    requests
}

fn replies(version: Version) -> Vec<(&'static str, Message)> {
    let aggregate = AggregateStats { packets: 3, bytes: 180, flows: 2 };
    let bucket = BucketStats { packets: 1, bytes: 60 };
    let queue = Queue { port: 3, queue: 1, min_rate: Some(100), max_rate: Some(500) };
    let full = FlowUpdateFull { event: FlowUpdateEvent::Added, reason: 0, flow: flow() };
    let group_stats = GroupStats {
        group: 7,
        references: 1,
        packets: 3,
        buckets: vec![bucket, bucket],
        ..GroupStats::default()
    };
    let multipart = vec![
        ("desc", MultipartReply::Description(Description { software: "1".into(), ..Description::default() })),
        ("flow", MultipartReply::Flows(vec![stats(), stats()])),
        ("nicira-flow", MultipartReply::NiciraFlows(vec![FlowStats { idle_age_s: Some(4), ..stats() }])),
        ("aggregate", MultipartReply::Aggregate(aggregate)),
        ("nicira-aggregate", MultipartReply::NiciraAggregate(aggregate)),
        ("table", MultipartReply::Tables(vec![TableStats { table: 3, active: 2, ..TableStats::default() }])),
        (
            "port-stats",
            MultipartReply::PortStats(vec![PortStats { number: 3, sent_bytes: 9, ..PortStats::default() }]),
        ),
        (
            "queue-stats",
            MultipartReply::QueueStats(vec![QueueStats {
                port: 3,
                queue: 1,
                bytes: 9,
                ..QueueStats::default()
            }]),
        ),
        ("group-stats", MultipartReply::GroupStats(vec![group_stats])),
        ("group-desc", MultipartReply::GroupDescriptions(vec![group(version)])),
        (
            "group-features",
            MultipartReply::GroupFeatures(GroupFeatures {
                kinds: 15,
                max_groups: [9; 4],
                ..GroupFeatures::default()
            }),
        ),
        (
            "meter-stats",
            MultipartReply::MeterStats(vec![MeterStats {
                meter: 4,
                flows: 1,
                bands: vec![bucket],
                ..MeterStats::default()
            }]),
        ),
        ("meter-config", MultipartReply::MeterConfigs(vec![meter()])),
        (
            "meter-features",
            MultipartReply::MeterFeatures(MeterFeatures {
                max_meters: 9,
                band_kinds: Meter::BAND_KINDS,
                ..MeterFeatures::default()
            }),
        ),
        ("table-features", MultipartReply::TableFeatures(vec![TableFeatures::complete(version, 1, 5, 100)])),
        ("port-desc", MultipartReply::Ports(vec![port()])),
        ("table-desc", MultipartReply::TableDescriptions(vec![table()])),
        ("queue-desc", MultipartReply::QueueDescriptions(vec![queue])),
        (
            "flow-updates",
            MultipartReply::FlowUpdates(vec![FlowUpdate::Full(full), FlowUpdate::Abbreviated(9)]),
        ),
        ("ipfix-bridge", MultipartReply::IpfixBridge(IpfixStats { packets: 5, ..IpfixStats::default() })),
    ];
    let each = |(name, reply)| (name, Message::MultipartReply { more: false, reply });
    let mut replies: Vec<_> = multipart.into_iter().map(each).collect();
    let features = Features {
        datapath_id: 5,
        tables: 254,
        capabilities: Features::STATISTICS,
        ports: vec![port()],
        ..Features::default()
    };
    replies.extend([
        ("features", Message::FeaturesReply(features)),
        ("config", Message::ConfigReply(Config::default())),
        ("queue-config", Message::QueueConfigReply(QueueConfig { port: 3, queues: vec![queue] })),
        ("role", Message::RoleReply(RoleState { role: Role::Slave, generation: Some(5) })),
        ("async", Message::AsyncReply(async_config())),
        ("tlv-table", Message::TlvTableReply(TlvTable { max_space: 256, max_fields: 64, maps: vec![] })),
    ]);
    replies
}
