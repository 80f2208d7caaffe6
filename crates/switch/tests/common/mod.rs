//! A controller without a socket, and what a switch has.

#![allow(dead_code)] // each test file uses a part

use std::path::PathBuf;

use tulle_openflow::{Connection, Event, Message, Version, Versions};
use tulle_switch::{SessionOptions, Switch};

pub struct Controller {
    pub session: tulle_switch::SwitchSession,
    pub connection: Connection,
}

impl Controller {
    pub fn of(switch: &Switch) -> Controller {
        Controller::speaking(switch, Version::V15)
    }

    pub fn speaking(switch: &Switch, version: Version) -> Controller {
        let versions = Versions::only(version);
        let options = SessionOptions { versions: Some(versions), ..SessionOptions::default() };
        let session = switch.open_session(options).expect("a session");
        let mut controller = Controller { session, connection: Connection::with_versions(versions) };
        assert_eq!(controller.exchange().len(), 1, "the greeting");
        controller
    }

    pub fn exchange(&mut self) -> Vec<Event> {
        self.session.receive(&self.connection.outgoing());
        let mut events = Vec::new();
        loop {
            let bytes = self.session.outgoing();
            if bytes.is_empty() {
                return events;
            }
            events.extend(self.connection.receive(&bytes));
        }
    }

    pub fn change(&mut self, message: Message) {
        self.connection.send(&message).expect("a request");
        let refused = self.exchange();
        assert!(refused.is_empty(), "{refused:?}");
    }
}

pub fn texts(switch: &Switch) -> Vec<String> {
    switch.flows().expect("flows").iter().map(|stats| stats.flow.to_string()).collect()
}

pub fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("tulle-saved-{name}-{}", std::process::id()))
}
