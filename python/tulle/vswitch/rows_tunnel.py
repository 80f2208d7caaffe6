"""Options of tunnel ports (ovs-vswitchd.conf.db(5), table Interface, tunnel options).  What cannot be is said."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

from tulle.errors import InvalidInput
from tulle.vswitch.configuration import Device, TunnelOptions

FLOW = "flow"
INHERIT = "inherit"
STANDARD_PORTS = {"geneve": 6081, "gre": 0, "nvgre": 0, "stt": 7471, "vxlan": 4789}
"""The types of tunnels, and where their packets go; 0 is none: GRE has no ports."""
KEY_BITS = {"geneve": 24, "gre": 32, "nvgre": 24, "stt": 64, "vxlan": 24}
UNSUPPORTED = ("ip6gre", "erspan", "ip6erspan", "lisp", "gtpu", "bareudp", "srv6")
DEFAULT_TTL = 64
Options = Mapping[str, str]

_KNOWN = {
    "remote_ip",
    "local_ip",
    "key",
    "in_key",
    "out_key",
    "dst_port",
    "tos",
    "ttl",
    "df_default",
    "csum",
    "packet_type",
    "egress_pkt_mark",
}
_ONLY = {"exts": "vxlan", "seq": "gre"}


def tunnel(name: str, kind: str, options: Options) -> Device:
    """A tunnel port; raises `InvalidInput`."""
    _check_names(kind, options)
    if "remote_ip" not in options:
        raise InvalidInput("option remote_ip is needed")
    remote = _address("remote_ip", options["remote_ip"])
    local = _address("local_ip", options["local_ip"]) if options.get("local_ip") else ""
    if {remote, local}.isdisjoint((FLOW, "")) and ip_address(remote).version != ip_address(local).version:
        raise InvalidInput("options remote_ip and local_ip must be of one family")
    return Device(
        name, "tunnel", encapsulation=kind, remote=remote, local=local, tunnel=_options(kind, options)
    )


def _check_names(kind: str, options: Options) -> None:
    known = _KNOWN | {name for name, owner in _ONLY.items() if owner == kind}
    if not STANDARD_PORTS[kind]:
        known -= {"dst_port"}
    if unknown := options.keys() - known:
        raise InvalidInput(
            f"unknown option {min(unknown)} of type {kind}; known are {', '.join(sorted(known))}"
        )
    if options.get("packet_type", "legacy_l2") != "legacy_l2":
        raise InvalidInput(f"option packet_type must be legacy_l2, not {options['packet_type']!r}")
    if options.get("exts", "gbp") != "gbp":
        raise InvalidInput(f"option exts must be gbp, not {options['exts']!r}")


def _options(kind: str, options: Options) -> TunnelOptions:
    return TunnelOptions(
        in_key=_key("in_key", options, KEY_BITS[kind]),
        out_key=_key("out_key", options, KEY_BITS[kind]),
        dst_port=_number("dst_port", options.get("dst_port", str(STANDARD_PORTS[kind])), 0xFFFF),
        tos=_inheritable("tos", options.get("tos", "0")),
        ttl=_ttl(options.get("ttl", "0")),
        dont_fragment=_boolean("df_default", options.get("df_default", "true")),
        checksum=_boolean("csum", options["csum"]) if "csum" in options else None,
        gbp="exts" in options,
        sequence=_boolean("seq", options.get("seq", "false")),
    )


def _address(option: str, text: str) -> str:
    if text == FLOW:
        return FLOW
    try:
        address = ip_address(text)
    except ValueError as error:
        raise InvalidInput(f"option {option} must be an IP address or flow, not {text!r}") from error
    if address.is_multicast or address.is_unspecified or "%" in text:
        raise InvalidInput(f"option {option} must be the address of one host, not {text!r}")
    return str(address)


def _key(option: str, options: Options, bits: int) -> int | str | None:
    """Both directions have `key` where they have none of their own."""
    text = options.get(option, options.get("key"))
    if text is None or text == FLOW:
        return text
    return _number(option if option in options else "key", text, (1 << bits) - 1)


def _inheritable(option: str, text: str) -> int | None:
    return None if text == INHERIT else _number(option, text, 0xFF)


def _ttl(text: str) -> int | None:
    """0 is the usual one."""
    value = _inheritable("ttl", text)
    return DEFAULT_TTL if value == 0 else value


def _number(option: str, text: str, most: int) -> int:
    try:
        value = int(text, 0)
    except ValueError as error:
        raise InvalidInput(f"option {option} must be a number, not {text!r}") from error
    if not 0 <= value <= most:
        raise InvalidInput(f"option {option} is 0 to {most:#x}, not {text}")
    return value


def _boolean(option: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise InvalidInput(f"option {option} must be true or false, not {text!r}")
    return text == "true"
