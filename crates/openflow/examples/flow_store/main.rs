//! The smallest OpenFlow switch: it keeps flows and forwards nothing.  It shows the codec at work, and lets
//! `ovs-ofctl` try it: `cargo run --example flow_store /tmp/s.sock`, then
//! `ovs-ofctl -O OpenFlow13 dump-flows unix:/tmp/s.sock`.

mod store;

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::Store;
use tulle_flow::{Action, Field, Match};
use tulle_openflow::{Connection, Event, Message, PacketIn, PacketInReason, PacketOut, Xid};

/// A connection and where its bytes go.
struct Client {
    connection: Connection,
    stream: UnixStream,
}

#[derive(Default)]
struct Switch {
    store: Mutex<Store>,
    clients: Mutex<Vec<Arc<Mutex<Client>>>>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: flow_store SOCKET")?;
    let listener = UnixListener::bind(&path)?;
    let switch = Arc::new(Switch::default());
    println!("listening on {path}");
    for stream in listener.incoming() {
        let (stream, switch) = (stream?, switch.clone());
        std::thread::spawn(move || switch.serve(stream));
    }
    Ok(())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    fn flush(&mut self) -> std::io::Result<()> {
        let bytes = self.connection.outgoing();
        self.stream.write_all(&bytes)
    }
}

impl Switch {
    fn serve(&self, stream: UnixStream) {
        let Ok(reader) = stream.try_clone() else { return };
        let client = Arc::new(Mutex::new(Client { connection: Connection::new(), stream }));
        locked(&self.clients).push(client.clone());
        // An error here means that the client went away.
        let _ = self.serve_client(reader, &client);
        locked(&self.clients).retain(|other| !Arc::ptr_eq(other, &client));
    }

    fn serve_client(&self, mut reader: UnixStream, client: &Mutex<Client>) -> std::io::Result<()> {
        let mut buffer = vec![0; 65536];
        locked(client).flush()?;
        loop {
            let count = reader.read(&mut buffer)?;
            let events: Vec<Event> = locked(client).connection.receive(&buffer[..count]).collect();
            for event in events {
                if let Event::MessageReceived { xid, message, .. } = event {
                    self.obey(client, xid, &message);
                }
            }
            locked(client).flush()?;
            if count == 0 || locked(client).connection.is_closed() {
                return Ok(());
            }
        }
    }

    fn obey(&self, client: &Mutex<Client>, xid: Xid, message: &Message) {
        if let Message::PacketOut(packet) = message {
            return self.send_packet(packet);
        }
        let answer = locked(&self.store).answer(message);
        let connection = &mut locked(client).connection;
        let sent = match answer {
            Ok(Some(reply)) => connection.reply(xid, &reply),
            Ok(None) => Ok(()),
            Err(code) => connection.refuse(xid, message, code),
        };
        sent.unwrap_or_else(|error| eprintln!("no answer to {xid:#x}: {error}"));
    }

    /// The only port is the controller: a packet for it comes back to everyone connected.
    fn send_packet(&self, packet: &PacketOut) {
        for action in &packet.actions {
            if let Action::Controller { max_len } = action {
                let message = Message::PacketIn(packet_in(packet, *max_len));
                for client in locked(&self.clients).iter() {
                    let mut client = locked(client);
                    let _ = client.connection.notify(&message);
                    let _ = client.flush();
                }
            }
        }
    }
}

fn packet_in(packet: &PacketOut, max_len: u16) -> PacketIn {
    let mut metadata = Match::ANY;
    metadata.require(Field::InPort, u128::from(packet.in_port), Field::InPort.ones());
    PacketIn {
        total_len: packet.data.len() as u32,
        reason: PacketInReason::Action,
        metadata,
        data: packet.data.iter().copied().take(usize::from(max_len)).collect(),
        ..PacketIn::default()
    }
}
