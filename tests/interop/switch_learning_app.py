"""A learning switch on os-ken, for OpenFlow 1.3 to 1.5; run by `osken-manager`, so it imports nothing of ours.

It prints a line for each packet that comes up, by which a test sees what flows should have carried.
"""

from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib.packet import ethernet, packet
from os_ken.ofproto import ofproto_v1_3, ofproto_v1_4, ofproto_v1_5

IDLE_S = 60


class LearningSwitch(app_manager.OSKenApp):
    """One table of addresses for each switch."""

    OFP_VERSIONS = tuple(module.OFP_VERSION for module in (ofproto_v1_3, ofproto_v1_4, ofproto_v1_5))

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.ports = {}

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def greet(self, event):
        """Ask for whatever no other flow matches."""
        datapath = event.msg.datapath
        output = datapath.ofproto_parser.OFPActionOutput(
            datapath.ofproto.OFPP_CONTROLLER, datapath.ofproto.OFPCML_NO_BUFFER
        )
        self._add_flow(datapath, 0, {}, output, 0)

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def learn(self, event):
        """Remember where the sender is; send on to where the destination is, or everywhere."""
        message, datapath = event.msg, event.msg.datapath
        protocol, parser = datapath.ofproto, datapath.ofproto_parser
        frame = packet.Packet(message.data).get_protocol(ethernet.ethernet)
        in_port = message.match["in_port"]
        print(f"packet in {frame.src} {frame.dst} {in_port} version {protocol.OFP_VERSION}", flush=True)
        self.ports[datapath.id, frame.src] = in_port
        port = self.ports.get((datapath.id, frame.dst), protocol.OFPP_FLOOD)
        output = parser.OFPActionOutput(port)
        if port != protocol.OFPP_FLOOD:
            match = {"in_port": in_port, "eth_src": frame.src, "eth_dst": frame.dst}
            self._add_flow(datapath, 1, match, output, IDLE_S)
        words = {"buffer_id": protocol.OFP_NO_BUFFER, "actions": [output], "data": message.data}
        where = (
            {"match": parser.OFPMatch(in_port=in_port)}
            if protocol.OFP_VERSION == ofproto_v1_5.OFP_VERSION
            else {"in_port": in_port}
        )
        datapath.send_msg(parser.OFPPacketOut(datapath=datapath, **where, **words))

    def _add_flow(self, datapath, priority, match, output, idle_s):
        protocol, parser = datapath.ofproto, datapath.ofproto_parser
        instruction = parser.OFPInstructionActions(protocol.OFPIT_APPLY_ACTIONS, [output])
        flow = parser.OFPFlowMod(
            datapath=datapath,
            priority=priority,
            match=parser.OFPMatch(**match),
            instructions=[instruction],
            idle_timeout=idle_s,
        )
        datapath.send_msg(flow)
