//! Bundles: changes that wait until they are committed together (OpenFlow 1.4 section 6.8).
//!
//! A commit happens between two packets: either all of its changes are there for the next one, or none.

use std::collections::BTreeMap;

use tulle_datapath as datapath;
use tulle_openflow::{
    BundleAdd, BundleControl, BundleControlKind, Dialect, ErrorCode, FlowMod, Message, Version, Wire, Xid,
    bundle_flags,
};

use super::Session;
use super::changes::{Answer, change_of, error_code};
use crate::engine::Engine;

/// Bundles that a session may have open.
const MOST_BUNDLES: usize = 64;
/// Changes that may wait in all bundles of a session.
const MOST_MESSAGES: usize = 2_000_000;

/// The bundles of a session.
#[derive(Debug, Default)]
pub(super) struct Bundles {
    open: BTreeMap<u32, Bundle>,
    messages: usize,
}

#[derive(Debug)]
struct Bundle {
    flags: u16,
    is_closed: bool,
    messages: Vec<(Xid, Message)>,
    /// The messages as they came, one after the other, and how many they are.
    wire: Vec<u8>,
    kept: usize,
    dialect: Option<Dialect>,
}

impl Bundle {
    /// The form of what is to outlive the process, if all of it was kept.
    fn dialect(&self) -> Option<Dialect> {
        self.dialect.filter(|_| self.kept == self.messages.len())
    }
}

impl Session {
    /// Opens, closes, commits or discards a bundle.
    pub(super) fn control_bundle(&mut self, engine: &mut Engine, xid: Xid, request: BundleControl) {
        match self.controlled(engine, request) {
            Ok(kind) => {
                engine.tell_flow_events(Some(self.id), xid);
                self.hear_waiting(engine);
                self.reply(xid, Message::BundleControl(BundleControl { kind, ..request }));
            }
            Err(code) => self.refuse(xid, &Message::BundleControl(request), code),
        }
    }

    fn controlled(
        &mut self,
        engine: &mut Engine,
        request: BundleControl,
    ) -> Result<BundleControlKind, ErrorCode> {
        use BundleControlKind as K;
        match request.kind {
            K::OpenRequest => self.bundles.open(request).map(|()| K::OpenReply),
            K::CloseRequest => self.bundles.close(request).map(|()| K::CloseReply),
            K::DiscardRequest => self.bundles.take(request.bundle).map(|_| K::DiscardReply),
            K::CommitRequest => {
                let bundle = self.bundles.take_matching(request)?;
                self.commit_bundle(engine, bundle).map(|()| K::CommitReply)
            }
            _ => Err(ErrorCode::BadBundleType),
        }
    }

    /// Puts a message into a bundle, which it may open.
    pub(super) fn add_to_bundle(&mut self, xid: Xid, request: BundleAdd) {
        if let Err(code) = self.bundles.check_add(&request) {
            return self.refuse(xid, &Message::BundleAdd(request), code);
        }
        let wire = self.wire.take().and_then(|wire| self.connection.wire(wire));
        self.bundles.add(xid, request, wire);
    }

    /// Does all of it, or nothing; the change that was refused is told beside the bundle's own failure.
    fn commit_bundle(&mut self, engine: &mut Engine, bundle: Bundle) -> Result<(), ErrorCode> {
        engine.note_others();
        let wire = bundle.dialect().map(|dialect| Wire { dialect, bytes: &bundle.wire });
        let committed = engine.commit(bundle.messages, self.version());
        if committed.is_ok() {
            engine.keep_bundle(wire);
        }
        // What packets learn that are sent only now is in no journal.
        engine.note_version();
        let later = committed.map_err(|failure| {
            let (xid, message, code) = *failure;
            self.refuse(xid, &message, code);
            ErrorCode::BundleMessageFailed
        })?;
        later.into_iter().for_each(|message| engine.do_later(message));
        Ok(())
    }
}

impl Bundles {
    fn open(&mut self, request: BundleControl) -> Result<(), ErrorCode> {
        if self.open.contains_key(&request.bundle) {
            self.take(request.bundle)?;
            return Err(ErrorCode::BundleExists);
        }
        self.start(request.bundle, request.flags)
    }

    fn start(&mut self, bundle: u32, flags: u16) -> Result<(), ErrorCode> {
        if flags & !(bundle_flags::ATOMIC | bundle_flags::ORDERED) != 0 {
            return Err(ErrorCode::BadBundleFlags);
        }
        if self.open.len() >= MOST_BUNDLES {
            return Err(ErrorCode::OutOfBundles);
        }
        let (messages, wire) = (Vec::new(), Vec::new());
        let opened = Bundle { flags, is_closed: false, messages, wire, kept: 0, dialect: None };
        self.open.insert(bundle, opened);
        Ok(())
    }

    fn close(&mut self, request: BundleControl) -> Result<(), ErrorCode> {
        let bundle = self.open.get_mut(&request.bundle).ok_or(ErrorCode::BadBundle)?;
        if bundle.is_closed {
            self.take(request.bundle)?;
            return Err(ErrorCode::BundleClosed);
        }
        if bundle.flags != request.flags {
            self.take(request.bundle)?;
            return Err(ErrorCode::BadBundleFlags);
        }
        bundle.is_closed = true;
        Ok(())
    }

    fn take(&mut self, bundle: u32) -> Result<Bundle, ErrorCode> {
        let taken = self.open.remove(&bundle).ok_or(ErrorCode::BadBundle)?;
        self.messages -= taken.messages.len();
        Ok(taken)
    }

    fn take_matching(&mut self, request: BundleControl) -> Result<Bundle, ErrorCode> {
        let bundle = self.take(request.bundle)?;
        if bundle.flags == request.flags { Ok(bundle) } else { Err(ErrorCode::BadBundleFlags) }
    }

    /// An unknown bundle is opened by what is added to it; one that is wrong goes.
    fn check_add(&mut self, request: &BundleAdd) -> Result<(), ErrorCode> {
        if self.messages >= MOST_MESSAGES {
            return Err(ErrorCode::BundleTooManyMessages);
        }
        let Some(bundle) = self.open.get(&request.bundle) else {
            return self.start(request.bundle, request.flags);
        };
        let wrong = if bundle.is_closed {
            Some(ErrorCode::BundleClosed)
        } else if bundle.flags != request.flags {
            Some(ErrorCode::BadBundleFlags)
        } else {
            None
        };
        match wrong {
            Some(code) => self.take(request.bundle).and(Err(code)),
            None => Ok(()),
        }
    }

    fn add(&mut self, xid: Xid, request: BundleAdd, wire: Option<Wire<'_>>) {
        if let Some(bundle) = self.open.get_mut(&request.bundle) {
            if let Some(wire) = wire {
                bundle.wire.extend_from_slice(wire.bytes);
                bundle.dialect = Some(wire.dialect);
                bundle.kept += 1;
            }
            bundle.messages.push((xid, *request.message));
            self.messages += 1;
        }
    }
}

/// The change that failed, and why.
pub(crate) type Failure = Box<(Xid, Message, ErrorCode)>;

impl Engine {
    /// Makes all changes of tables between two packets; gives the messages that cannot fail and are to be done now.
    /// Errors: nothing has changed.
    pub(crate) fn commit(
        &mut self,
        messages: Vec<(Xid, Message)>,
        version: Version,
    ) -> Result<Vec<Message>, Failure> {
        let now = tulle_io::clock::monotonic_ns();
        self.datapath.begin();
        let mut removed = Vec::new();
        let mut later = Vec::new();
        for (xid, message) in messages {
            match self.commit_one(&message, version, now, &mut removed) {
                Ok(true) => {}
                Ok(false) => later.push(message),
                Err(code) => {
                    self.datapath.roll_back();
                    return Err(Box::new((xid, message, code)));
                }
            }
        }
        self.datapath.commit();
        self.tell_removed(removed);
        Ok(later)
    }

    /// Changes flows and groups; false for what cannot fail and is done once all the rest has succeeded.
    fn commit_one(
        &mut self,
        message: &Message,
        version: Version,
        now: u64,
        removed: &mut Vec<datapath::FlowRemoved>,
    ) -> Result<bool, ErrorCode> {
        match message {
            Message::FlowMod(change) => self.commit_flow(change, version, now, removed)?,
            Message::GroupMod(change) => removed.extend(self.regroup(change)?),
            Message::PortMod(change) => {
                self.check_port_mod(change)?;
                return Ok(false);
            }
            Message::PacketOut(packet) if packet.buffer.is_some() => return Err(ErrorCode::BufferUnknown),
            Message::PacketOut(_) => return Ok(false),
            _ => return Err(ErrorCode::BundleMessageUnsupported),
        }
        Ok(true)
    }

    fn commit_flow(
        &mut self,
        change: &FlowMod,
        version: Version,
        now: u64,
        removed: &mut Vec<datapath::FlowRemoved>,
    ) -> Answer {
        if change.buffer.is_some() {
            return Err(ErrorCode::BufferUnknown);
        }
        let gone =
            self.datapath.flow_mod(&change_of(change, version), now).map_err(|error| error_code(&error))?;
        removed.extend(gone);
        Ok(())
    }

    fn do_later(&mut self, message: Message) {
        match message {
            Message::PortMod(change) => {
                let _ = self.change_port(&change);
            }
            Message::PacketOut(packet) => self.send_packet_out(&packet),
            _ => {}
        }
    }
}
