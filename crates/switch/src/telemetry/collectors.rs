//! Collectors: where datagrams go to, by sockets that never wait.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

/// Sockets of one network namespace.  They are not connected, so that a collector that is not there makes no
/// difference to sending.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sockets {
    v4: Option<Arc<UdpSocket>>,
    v6: Option<Arc<UdpSocket>>,
}

impl Sockets {
    /// Opens those that are needed for these targets, in the network namespace of the calling thread.
    pub(crate) fn open<'a>(targets: impl Iterator<Item = &'a SocketAddr> + Clone) -> io::Result<Sockets> {
        let open = |address: SocketAddr| -> io::Result<Option<Arc<UdpSocket>>> {
            if !targets.clone().any(|target| target.is_ipv4() == address.is_ipv4()) {
                return Ok(None);
            }
            let socket = UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            Ok(Some(Arc::new(socket)))
        };
        let (v4, v6) = ((Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv6Addr::UNSPECIFIED, 0).into());
        Ok(Sockets { v4: open(v4)?, v6: open(v6)? })
    }

    fn send(&self, target: &SocketAddr, datagram: &[u8]) -> bool {
        let socket = if target.is_ipv4() { &self.v4 } else { &self.v6 };
        socket.as_ref().is_some_and(|socket| socket.send_to(datagram, target).is_ok())
    }
}

/// The collectors of one exporter.
#[derive(Debug)]
pub(crate) struct Collectors {
    targets: Vec<SocketAddr>,
    sockets: Sockets,
    /// Datagrams that were sent.
    pub sent: u64,
    /// Datagrams that the kernel did not take; nobody tries again.
    pub unsent: u64,
}

impl Collectors {
    pub(crate) fn new(targets: &[SocketAddr], sockets: &Sockets) -> Collectors {
        Collectors { targets: targets.to_vec(), sockets: sockets.clone(), sent: 0, unsent: 0 }
    }

    /// Takes other sockets, as they are opened whenever something is set.
    pub(crate) fn use_sockets(&mut self, sockets: &Sockets) {
        self.sockets = sockets.clone();
    }

    pub(crate) fn send(&mut self, datagram: &[u8]) {
        for target in &self.targets {
            match self.sockets.send(target, datagram) {
                true => self.sent += 1,
                false => self.unsent += 1,
            }
        }
    }
}
