"""DNS (RFC 1035) for the names of one network: it knows these, and refuses what belongs to others.

The wire format is dnspython's.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.rrset

from tulle.values import DnsZone

TTL_S: Final = 30
"""Short, since every change of the network may change what a name means."""
WITHOUT_EDNS_BYTES, LARGEST_BYTES = 512, 1232
QUERY_MAX: Final = 512
ONE_QUESTION: Final = bytes((0, 1, 0, 0, 0, 0, 0))
"""Of a header, from the fifth byte on: one question, no records but at most one further one, which EDNS needs.

A name may point through a long chain of others, so a query full of records would cost as much as a hundred.
"""
HEADER_BYTES: Final = 12
RESPONSE: Final = 0x80


def answer(query: bytes, zone: DnsZone) -> bytes | None:
    """The response to one question; None where silence is right: no question, or not DNS at all."""
    if not HEADER_BYTES < len(query) <= QUERY_MAX or query[2] & RESPONSE:
        return None
    if query[4:11] != ONE_QUESTION or query[11] > 1:
        return None
    try:
        asked = dns.message.from_wire(query, ignore_trailing=False)
        response = dns.message.make_response(asked)
    except (dns.exception.DNSException, ValueError, NotImplementedError):
        return None
    if len(asked.question) != 1:
        return None
    response.set_rcode(_fill(response, asked, zone))
    response.flags &= ~dns.flags.RA
    return _emit(response, asked)


def _fill(response: dns.message.Message, asked: dns.message.Message, zone: DnsZone) -> dns.rcode.Rcode:
    """Put the answer into the response; its status."""
    question = asked.question[0]
    if asked.opcode() != dns.opcode.QUERY or question.rdclass != dns.rdataclass.IN:
        return dns.rcode.NOTIMP
    origin = dns.name.from_text(zone.domain)
    if question.name.is_subdomain(origin):
        return _forward(response, question, origin, zone)
    address = _reversed(question.name)
    if address is not None and any(address in ip_network(one) for one in zone.subnets):
        return _backward(response, question, origin, zone, str(address))
    return dns.rcode.REFUSED


def _forward(
    response: dns.message.Message, question: dns.rrset.RRset, origin: dns.name.Name, zone: DnsZone
) -> dns.rcode.Rcode:
    response.flags |= dns.flags.AA
    if question.name == origin:
        if question.rdtype == dns.rdatatype.SOA:
            response.answer.append(_authority(origin))
        else:
            response.authority.append(_authority(origin))
        return dns.rcode.NOERROR
    label = question.name.relativize(origin).to_text().lower()
    wanted = (
        (dns.rdatatype.A, dns.rdatatype.AAAA) if question.rdtype == dns.rdatatype.ANY else (question.rdtype,)
    )
    found = [one for one in zone.names.get(label, ()) if _kind(one) in wanted]
    if found:
        for kind in sorted({_kind(one) for one in found}):
            texts = [one for one in found if _kind(one) == kind]
            response.answer.append(dns.rrset.from_text(question.name, TTL_S, "IN", kind, *texts))
    else:
        response.authority.append(_authority(origin))
    return dns.rcode.NOERROR if label in zone.names else dns.rcode.NXDOMAIN


def _backward(
    response: dns.message.Message,
    question: dns.rrset.RRset,
    origin: dns.name.Name,
    zone: DnsZone,
    address: str,
) -> dns.rcode.Rcode:
    response.flags |= dns.flags.AA
    owners = [name for name, addresses in zone.names.items() if address in addresses]
    wanted = question.rdtype in (dns.rdatatype.PTR, dns.rdatatype.ANY)
    if owners and wanted:
        names = [f"{name}.{origin}" for name in sorted(owners)]
        response.answer.append(dns.rrset.from_text(question.name, TTL_S, "IN", "PTR", *names))
    return dns.rcode.NOERROR if owners else dns.rcode.NXDOMAIN


def _authority(origin: dns.name.Name) -> dns.rrset.RRset:
    """What says how long a name that is not there may be remembered as such (RFC 2308 section 3)."""
    text = f"ns.{origin} nobody.{origin} 1 {TTL_S} {TTL_S} {TTL_S} {TTL_S}"
    return dns.rrset.from_text(origin, TTL_S, "IN", "SOA", text)


def _reversed(name: dns.name.Name) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(dns.reversename.to_address(name))
    except (dns.exception.DNSException, ValueError):
        return None


def _kind(address: str) -> dns.rdatatype.RdataType:
    return dns.rdatatype.AAAA if ":" in address else dns.rdatatype.A


def _emit(response: dns.message.Message, asked: dns.message.Message) -> bytes:
    """As much as whoever asks takes; the truncation bit where that is not all (RFC 2181 section 9)."""
    room = (
        min(LARGEST_BYTES, max(WITHOUT_EDNS_BYTES, asked.payload)) if asked.edns >= 0 else WITHOUT_EDNS_BYTES
    )
    try:
        return response.to_wire(max_size=room)
    except dns.exception.TooBig:
        response.answer.clear()
        response.authority.clear()
        response.flags |= dns.flags.TC
        return response.to_wire(max_size=LARGEST_BYTES)
