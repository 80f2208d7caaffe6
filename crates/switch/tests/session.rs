//! A session against a running switch without ports: what a controller can make it keep in memory.

use tulle_openflow::{Connection, Event, Message, MultipartReply, MultipartRequest};
use tulle_switch::{SessionOptions, Switch};

const REQUESTS: usize = 60;

fn is_last_part(event: &Event) -> bool {
    let Event::MessageReceived { message, .. } = event else { return false };
    matches!(message, Message::MultipartReply { more: false, reply: MultipartReply::TableFeatures(_) })
}

#[test]
fn many_short_requests_do_not_make_the_session_keep_all_their_long_replies_at_once() {
    let switch = Switch::start("session", 1, 1).expect("a switch");
    let mut session = switch.open_session(SessionOptions::default()).expect("a session");
    let mut controller = Connection::new();
    session.receive(&controller.outgoing());
    assert_eq!(controller.receive(&session.outgoing()).count(), 1, "the greeting");
    for _ in 0..REQUESTS {
        let request =
            Message::MultipartRequest { more: false, request: MultipartRequest::TableFeatures(Vec::new()) };
        controller.send(&request).expect("a request");
    }
    session.receive(&controller.outgoing());
    let (mut replies, mut longest, mut all) = (0, 0, 0);
    loop {
        let bytes = session.outgoing();
        if bytes.is_empty() {
            break;
        }
        longest = longest.max(bytes.len());
        all += bytes.len();
        replies += controller.receive(&bytes).filter(is_last_part).count();
    }
    assert_eq!(replies, REQUESTS);
    assert!(longest < 4 << 20 && all > 16 << 20, "{longest} bytes of {all} at once");
}
