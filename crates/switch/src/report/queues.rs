//! Queues of ports and what they counted.

use std::time::Duration;

use tulle_flow::port;
use tulle_openflow::{ErrorCode, QUEUE_ALL, Queue, QueueSelector, QueueStats};

use crate::engine::Engine;
use crate::queueing;

pub(crate) fn descriptions(engine: &Engine, selector: QueueSelector) -> Result<Vec<Queue>, ErrorCode> {
    let each = |port, number, queue: &queueing::Queue| {
        let (min_rate, max_rate) = queue.settings.rates;
        Queue { port, queue: number, min_rate, max_rate }
    };
    selected(engine, selector, each)
}

pub(super) fn stats(engine: &Engine, selector: QueueSelector) -> Result<Vec<QueueStats>, ErrorCode> {
    let now = tulle_io::clock::monotonic_ns();
    let each = |port, number, queue: &queueing::Queue| {
        let counters = queue.counters;
        QueueStats {
            port,
            queue: number,
            bytes: counters.bytes,
            packets: counters.packets,
            errors: counters.errors,
            duration: Duration::from_nanos(now.saturating_sub(queue.since_ns)),
        }
    };
    selected(engine, selector, each)
}

/// What a function makes of each queue that is asked for; a single one has to exist.
fn selected<T>(
    engine: &Engine,
    selector: QueueSelector,
    each: impl Fn(u32, u32, &queueing::Queue) -> T,
) -> Result<Vec<T>, ErrorCode> {
    if selector.port != port::NONE && !engine.datapath.ports().contains(selector.port) {
        return Err(ErrorCode::QueueBadPort);
    }
    let mut found = Vec::new();
    let wanted =
        engine.wires.numbered().filter(|(at, _)| selector.port == port::NONE || selector.port == *at);
    for (at, port) in wanted {
        let queues = port.queues.iter().flat_map(|queues| &queues.queues);
        let queues = queues.filter(|(queue, _)| selector.queue == QUEUE_ALL || selector.queue == **queue);
        found.extend(queues.map(|(number, queue)| each(at, *number, queue)));
    }
    let missing = found.is_empty() && selector.queue != QUEUE_ALL;
    if missing { Err(ErrorCode::UnknownQueue) } else { Ok(found) }
}
