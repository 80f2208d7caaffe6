//! Exporters from the outside: packets in, datagrams out, read by readers of the tests' own.

mod arbitrary;
mod frames;
mod ipfix;
mod netflow;
mod readers;
mod sflow;
