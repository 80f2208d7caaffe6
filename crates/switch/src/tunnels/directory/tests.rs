use super::*;
use crate::tunnels::TunnelNumber;

const NEAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const FAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 3));
const VXLAN: Guarded = Guarded::Udp(4789);

fn tunnel(remote: Option<IpAddr>, local: LocalAddress, key: TunnelNumber) -> TunnelConfig {
    TunnelConfig { local, in_key: key, ..TunnelConfig::new(Kind::Vxlan, remote) }
}

fn directory(tunnels: &[(u64, u32, TunnelConfig)]) -> Directory {
    let mut directory = Directory::default();
    for (bridge, port, config) in tunnels {
        directory.add(Owner { bridge: *bridge, port: *port }, config);
    }
    directory
}

#[test]
fn the_key_counts_more_than_the_remote_and_the_remote_more_than_this_end() {
    let (any, near, flow) = (LocalAddress::Any, LocalAddress::Fixed(NEAR), LocalAddress::Flow);
    let five = TunnelNumber::Fixed(5);
    let by_rank = [
        tunnel(Some(FAR), near, five),
        tunnel(Some(FAR), any, five),
        tunnel(Some(FAR), flow, five),
        tunnel(None, near, five),
        tunnel(None, any, five),
        tunnel(None, flow, five),
        tunnel(Some(FAR), near, TunnelNumber::Flow),
        tunnel(Some(FAR), any, TunnelNumber::Flow),
        tunnel(Some(FAR), flow, TunnelNumber::Flow),
        tunnel(None, near, TunnelNumber::Flow),
        tunnel(None, any, TunnelNumber::Flow),
        tunnel(None, flow, TunnelNumber::Flow),
    ];
    let mut numbered: Vec<_> = (1..).zip(by_rank).map(|(port, config)| (1, port, config)).collect();
    while let Some((_, best, config)) = numbered.first().cloned() {
        let mut all = directory(&numbered);
        let found = all.find(VXLAN, 5, FAR, NEAR).map(|owner| owner.port);
        assert_eq!(found, Some(best), "{config:?}");
        all.remove(Owner { bridge: 1, port: best }, &config);
        numbered.remove(0);
        let next = all.find(VXLAN, 5, FAR, NEAR).map(|owner| owner.port);
        assert_eq!(next, numbered.first().map(|(_, port, _)| *port));
    }
}

#[test]
fn a_tunnel_without_a_key_takes_packets_without_one_or_with_0() {
    let all = directory(&[(1, 1, tunnel(Some(FAR), LocalAddress::Any, TunnelNumber::Absent))]);
    assert!(all.find(VXLAN, 0, FAR, NEAR).is_some());
    assert!(all.find(VXLAN, 1, FAR, NEAR).is_none());
}

#[test]
fn packets_of_other_ports_remotes_and_keys_belong_to_nobody() {
    let all = directory(&[(1, 1, tunnel(Some(FAR), LocalAddress::Fixed(NEAR), TunnelNumber::Fixed(5)))]);
    assert!(all.find(VXLAN, 5, FAR, NEAR).is_some());
    assert!(all.find(Guarded::Udp(8472), 5, FAR, NEAR).is_none());
    assert!(all.find(VXLAN, 6, FAR, NEAR).is_none());
    assert!(all.find(VXLAN, 5, OTHER, NEAR).is_none());
    assert!(all.find(VXLAN, 5, FAR, OTHER).is_none());
}

#[test]
fn a_bridge_alone_takes_and_counts_everything() {
    let all = directory(&[(1, 1, tunnel(Some(FAR), LocalAddress::Any, TunnelNumber::Flow))]);
    assert_eq!(all.attitude(1, VXLAN, 7, OTHER), Attitude::TakeAndCount);
}

#[test]
fn of_several_bridges_one_takes_a_packet_and_one_counts_what_nobody_wants() {
    let mut all = directory(&[
        (1, 1, tunnel(Some(FAR), LocalAddress::Any, TunnelNumber::Flow)),
        (2, 1, tunnel(Some(OTHER), LocalAddress::Any, TunnelNumber::Flow)),
    ]);
    all.set_devices(1, vec![7]);
    all.set_devices(2, vec![7, 8]);
    assert_eq!(all.attitude(1, VXLAN, 7, FAR), Attitude::TakeAndCount);
    assert_eq!(all.attitude(2, VXLAN, 7, FAR), Attitude::Leave);
    assert_eq!(all.attitude(2, VXLAN, 7, OTHER), Attitude::TakeAndCount);
    assert_eq!(all.attitude(1, VXLAN, 7, NEAR), Attitude::TakeAndCount);
    assert_eq!(all.attitude(2, VXLAN, 7, NEAR), Attitude::Leave);
    assert_eq!(all.attitude(2, VXLAN, 8, NEAR), Attitude::TakeAndCount, "bridge 1 does not listen there");
}

#[test]
fn two_bridges_with_tunnels_to_one_remote_both_look_inside_and_one_of_them_counts() {
    let mut all = directory(&[
        (1, 1, tunnel(Some(FAR), LocalAddress::Any, TunnelNumber::Fixed(1))),
        (2, 1, tunnel(None, LocalAddress::Any, TunnelNumber::Fixed(2))),
    ]);
    all.set_devices(1, vec![7]);
    all.set_devices(2, vec![7]);
    assert_eq!(all.attitude(1, VXLAN, 7, FAR), Attitude::TakeAndCount);
    assert_eq!(all.attitude(2, VXLAN, 7, FAR), Attitude::Take);
    assert_eq!(all.find(VXLAN, 2, FAR, NEAR).map(|owner| owner.bridge), Some(2));
}

#[test]
fn what_is_removed_leaves_nothing_behind() {
    let config = TunnelConfig { gbp: true, ..tunnel(Some(FAR), LocalAddress::Any, TunnelNumber::Flow) };
    let mut all = directory(&[(1, 1, config.clone())]);
    assert_eq!(all.receptions(1), [(VXLAN, Reception { kind: Kind::Vxlan, gbp: true })]);
    all.remove(Owner { bridge: 1, port: 1 }, &config);
    assert!(all.receptions(1).is_empty() && all.kind(VXLAN).is_none() && all.expecting.is_empty());
}
