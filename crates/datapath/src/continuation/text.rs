//! An interrupted walk as bytes that a controller keeps and gives back.
//!
//! Lines of text: a word, then what it is about.  A controller may give back anything; what makes no sense is
//! refused whole.

use std::fmt::Write;

use super::{Frozen, Place, Segment};
use tulle_flow::{Action, Field, Flow, Key};

/// The first line; another format would have another one.
const HEADER: &str = "tulle-continuation-1";
/// More than any walk has in hand.
const MOST_LINES: usize = 10_000;

impl Frozen {
    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{HEADER}\n");
        self.segments.iter().for_each(|segment| emit_segment(&mut text, segment));
        for field in Field::ALL.iter().filter(|field| field.is_metadata()) {
            let (value, written) = (self.values.field(*field), self.written.field(*field));
            if written != 0 {
                let _ = writeln!(text, "field {} {value:x}/{written:x}", field.name());
            }
        }
        self.stack.iter().for_each(|value| _ = writeln!(text, "stack {value:x}"));
        if !self.action_set.is_empty() {
            let _ = writeln!(text, "set {}", emit_actions(&self.action_set));
        }
        if let Some(queue) = self.queue {
            let _ = writeln!(text, "queue {queue}");
        }
        let _ = writeln!(text, "mirrored {:x}", self.mirrored);
        text.into_bytes()
    }

    /// From bytes; nothing where they are not what [`to_bytes`](Self::to_bytes) gives.
    pub fn from_bytes(bytes: &[u8]) -> Option<Frozen> {
        let mut lines = std::str::from_utf8(bytes).ok()?.lines();
        if lines.next()? != HEADER {
            return None;
        }
        let mut frozen = Frozen {
            segments: Vec::new(),
            values: Key::ZERO,
            written: Key::ZERO,
            stack: Vec::new(),
            action_set: Vec::new(),
            queue: None,
            mirrored: 0,
        };
        for (i, line) in lines.enumerate() {
            let (word, rest) = line.split_once(' ').filter(|_| i < MOST_LINES)?;
            frozen.parse_line(word, rest)?;
        }
        Some(frozen)
    }

    fn parse_line(&mut self, word: &str, rest: &str) -> Option<()> {
        match word {
            "field" => {
                let (name, value) = rest.split_once(' ')?;
                let field = Field::from_name(name).filter(|field| field.is_metadata())?;
                let (value, written) = value.split_once('/')?;
                let (value, written) = (hex(value)?, hex(written)? & field.ones());
                self.written.set(field, written);
                self.values.set(field, value & written);
            }
            "stack" => self.stack.push(hex(rest)?),
            "set" => self.action_set = parse_actions(rest)?,
            "queue" => self.queue = Some(rest.parse().ok()?),
            "mirrored" => self.mirrored = u64::try_from(hex(rest)?).ok()?,
            _ => self.segments.push(parse_segment(word, rest)?),
        }
        Some(())
    }
}

fn emit_segment(text: &mut String, segment: &Segment) {
    let _ = match segment {
        Segment::Table(table) => writeln!(text, "table {table}"),
        Segment::InPort(port) => writeln!(text, "in_port {port}"),
        Segment::Actions(Place { table, cookie, is_miss_flow }, actions) => {
            let cookie = cookie.map_or("-".to_owned(), |cookie| format!("{cookie:x}"));
            let (miss, actions) = (u8::from(*is_miss_flow), emit_actions(actions));
            writeln!(text, "actions {table} {cookie} {miss} {actions}")
        }
    };
}

fn parse_segment(word: &str, rest: &str) -> Option<Segment> {
    match word {
        "table" => Some(Segment::Table(rest.parse().ok()?)),
        "in_port" => Some(Segment::InPort(rest.parse().ok()?)),
        "actions" => {
            let mut parts = rest.splitn(4, ' ');
            let table = parts.next()?.parse().ok()?;
            let cookie = match parts.next()? {
                "-" => None,
                cookie => Some(u64::try_from(hex(cookie)?).ok()?),
            };
            let is_miss_flow = parts.next()? == "1";
            let actions = parse_actions(parts.next()?)?;
            Some(Segment::Actions(Place { table, cookie, is_miss_flow }, actions.into()))
        }
        _ => None,
    }
}

fn emit_actions(actions: &[Action]) -> String {
    if actions.is_empty() {
        return "drop".to_owned();
    }
    actions.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn parse_actions(text: &str) -> Option<Vec<Action>> {
    let flow: Flow = format!("actions={text}").parse().ok()?;
    Some(flow.actions)
}

fn hex(text: &str) -> Option<u128> {
    u128::from_str_radix(text, 16).ok()
}
