//! The sieve: reads frames from the broker one by one, passes those that the library can read, and makes the
//! others readable.
//!
//! ```text
//! method    basic.deliver with a name that is not UTF-8 ─ its odd bytes become '?', the message is marked
//! header    a table deeper than the library's stack bears ─ cut off
//!           a table deeper than any honest sender's ─ the message is marked
//!           a frame beyond frame_max (the broker adds headers and does not split) ─ its table is cut off
//!           properties that the library's own parser refuses ─ the message is marked
//! body      passes, whatever it holds
//! ```
//!
//! Marked: the message's properties give way to the one header [`MARK`]. AMQP 0-9-1, sections 2.3.5 (frames)
//! and 4.2.6 (content).

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use amq_protocol::frame::{AMQPFrame, parse_frame};
use amq_protocol::protocol::{AMQPClass, connection};
use lapin::types::AMQPValue;

use crate::table;

/// The header that marks an unreadable message; its value says why.
pub(crate) const MARK: &str = "x-drawgate-unreadable";

/// Most levels that the sieve passes to the library. The library's parser takes about 1.5 kB of stack for
/// each level in an optimized build, and ten times as much in another; no honest header has more levels than
/// the three of `x-death`.
const DEEP: usize = 32;

/// Beyond this many levels the sieve marks the message, so that it is refused; from `DEEP` up to here it only
/// loses its headers.
const DEEPEST: usize = 1024;

/// Largest method or header frame. RabbitMQ takes none from a sender beyond its `frame_max` (128 KiB by
/// default), and adds at most a few kilobytes of `x-death`.
const FRAME_BYTES: usize = 16 * 1024 * 1024;

/// Largest frame where the server gives no limit (0).
const FRAME_MAX_DEFAULT: usize = 128 * 1024;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;
/// Length of a frame's head: type, channel, size of the payload.
const HEAD: usize = 7;
/// Length of the head, and of the octet at the frame's end.
const AROUND: usize = HEAD + 1;
const FRAME_END: u8 = 0xCE;

/// Why the library could not read a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// The routing key, or the name of the exchange, is not UTF-8.
    Address,
    /// A property or a header cannot be parsed: a name that is not UTF-8, or an unknown type.
    Properties,
    /// The headers are nested deeper than 1,024 levels.
    TooDeep,
    /// The sender has written the mark.
    Forged,
}

impl Unreadable {
    pub(crate) fn of(mark: &AMQPValue) -> Self {
        match mark {
            AMQPValue::ShortShortUInt(1) => Self::Address,
            AMQPValue::ShortShortUInt(2) => Self::Properties,
            AMQPValue::ShortShortUInt(3) => Self::TooDeep,
            _ => Self::Forged,
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Address => 1,
            Self::Properties => 2,
            Self::TooDeep => 3,
            Self::Forged => 4,
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("its routing key is not UTF-8"),
            Self::Properties => {
                f.write_str("an AMQP property or header of it cannot be parsed, or is not UTF-8")
            }
            Self::TooDeep => write!(f, "its headers are nested deeper than {DEEPEST} levels"),
            Self::Forged => write!(f, "it carries the header {MARK}, which a sender does not write"),
        }
    }
}

/// What the next byte from the broker belongs to.
enum State {
    /// The first seven bytes of a frame, as far as they have come.
    Head(Vec<u8>),
    /// A method or a header, kept until it is complete.
    Whole { frame: Vec<u8>, size: usize },
    /// A frame that passes unread, with the number of bytes still to come.
    Passing { left: usize },
    /// Bytes that are no frame: a server of another protocol version answers with eight bytes of its own.
    Foreign,
}

pub(crate) struct Sieve {
    state: State,
    ready: Vec<u8>,
    taken: usize,
    frame_max: usize,
    /// Why the method frame marked the channel's message; the header frame that follows takes the mark over.
    marked: BTreeMap<[u8; 2], Unreadable>,
    version: Arc<OnceLock<String>>,
}

impl Sieve {
    /// `frame_max` is the client's own bound, where it has one. The sieve writes the server's version into
    /// `version` when the handshake names it.
    pub(crate) fn new(frame_max: Option<u32>, version: Arc<OnceLock<String>>) -> Self {
        Self {
            state: State::Head(Vec::with_capacity(HEAD)),
            ready: Vec::new(),
            taken: 0,
            frame_max: limit(frame_max.unwrap_or(0)).unwrap_or(FRAME_MAX_DEFAULT),
            marked: BTreeMap::new(),
            version,
        }
    }

    /// Moves bytes that are ready for the library into `buffer`.
    pub(crate) fn take(&mut self, buffer: &mut [u8]) -> usize {
        let ready = &self.ready[self.taken..];
        let count = ready.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ready[..count]);
        self.taken += count;
        if self.taken == self.ready.len() {
            self.ready.clear();
            self.taken = 0;
        }
        count
    }

    /// Takes bytes from the broker.
    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Foreign => {
                    self.ready.extend_from_slice(bytes);
                    return Ok(());
                }
                State::Passing { left } => {
                    let passing = cut(&mut bytes, *left);
                    *left -= passing.len();
                    let over = *left == 0;
                    self.ready.extend_from_slice(passing);
                    if over {
                        self.next();
                    }
                }
                State::Head(head) => {
                    head.extend_from_slice(cut(&mut bytes, HEAD - head.len()));
                    if let Ok(head) = <[u8; HEAD]>::try_from(head.as_slice()) {
                        self.begin(head)?;
                    }
                }
                State::Whole { frame, size } => {
                    frame.extend_from_slice(cut(&mut bytes, *size - frame.len()));
                    if frame.len() == *size {
                        let frame = std::mem::take(frame);
                        self.whole(frame);
                        self.next();
                    }
                }
            }
        }
        Ok(())
    }

    fn next(&mut self) {
        self.state = State::Head(Vec::with_capacity(HEAD));
    }

    fn begin(&mut self, head: [u8; HEAD]) -> io::Result<()> {
        let [kind, _, _, size @ ..] = head;
        let size = usize::try_from(u32::from_be_bytes(size)).unwrap_or(usize::MAX);
        self.state = match kind {
            METHOD | HEADER if size > FRAME_BYTES => {
                let what = format!("the broker sends a frame of {size} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            METHOD | HEADER => State::Whole {
                frame: head.to_vec(),
                size: size + AROUND,
            },
            BODY | HEARTBEAT => {
                self.ready.extend_from_slice(&head);
                State::Passing {
                    left: size.saturating_add(1),
                }
            }
            _ => {
                self.ready.extend_from_slice(&head);
                State::Foreign
            }
        };
        Ok(())
    }

    fn whole(&mut self, frame: Vec<u8>) {
        let frame = match frame.first() {
            Some(&METHOD) => self.method(frame),
            _ => self.header(frame),
        };
        self.ready.extend_from_slice(&frame);
    }

    /// Passes a method frame. Its tables are the broker's own and may be parsed; its names may be a sender's,
    /// so they are made UTF-8.
    fn method(&mut self, mut frame: Vec<u8>) -> Vec<u8> {
        match parse_frame(frame.as_slice()) {
            Ok((_, AMQPFrame::Method(0, AMQPClass::Connection(method)))) => self.hear(&method),
            Ok(_) => {}
            Err(_) => {
                if let Some(names) = names(&frame) {
                    for name in names {
                        make_utf8(&mut frame[name]);
                    }
                    self.marked.insert(channel(&frame), Unreadable::Address);
                }
            }
        }
        frame
    }

    /// Takes the server's version and frame limit from the handshake.
    fn hear(&mut self, method: &connection::AMQPMethod) {
        match method {
            connection::AMQPMethod::Start(start) => {
                if let Some(AMQPValue::LongString(version)) = start.server_properties.inner().get("version") {
                    // Only the first start sets the version; the library refuses a second start of one
                    // connection.
                    let _ = self.version.set(version.to_string());
                }
            }
            connection::AMQPMethod::Tune(tune) => {
                self.frame_max = limit(tune.frame_max).map_or(self.frame_max, |max| max.min(self.frame_max));
            }
            _ => {}
        }
    }

    fn header(&mut self, frame: Vec<u8>) -> Vec<u8> {
        let why = match self.marked.remove(&channel(&frame)) {
            Some(why) => why,
            None => match relieved(&frame, self.frame_max) {
                Ok(frame) => return frame.into_owned(),
                Err(why) => why,
            },
        };
        marked(&frame, why)
    }
}

/// The header frame in a form that the library can read, or why there is none.
fn relieved(frame: &[u8], frame_max: usize) -> Result<std::borrow::Cow<'_, [u8]>, Unreadable> {
    use std::borrow::Cow;
    let mut frame = Cow::Borrowed(frame);
    if let Some(table) = headers(&frame).ok_or(Unreadable::Properties)? {
        let content = table.start + 4..table.end;
        let depth = table::depth(&frame[content], DEEPEST).ok_or(Unreadable::Properties)?;
        if depth > DEEPEST {
            return Err(Unreadable::TooDeep);
        }
        if depth > DEEP || frame.len() > frame_max {
            frame = Cow::Owned(without(&frame, table));
        }
    }
    match parse_frame(&*frame) {
        Ok(([], _)) => Ok(frame),
        _ => Err(Unreadable::Properties),
    }
}

/// Where the property flags of a content header begin: after class, weight and size of the body.
const FLAGS: usize = HEAD + 12;
const PROPERTIES: usize = FLAGS + 2;
/// AMQP 0-9-1, section 4.2.6.1: the first property has the highest bit.
const CONTENT_TYPE: u16 = 1 << 15;
const CONTENT_ENCODING: u16 = 1 << 14;
const HEADERS: u16 = 1 << 13;

fn flags(frame: &[u8]) -> Option<u16> {
    let flags = frame.get(FLAGS..PROPERTIES)?;
    Some(u16::from_be_bytes(flags.try_into().ok()?))
}

/// The range of the table of headers, its length field included; `Some(None)` without a table, `None` when
/// the frame ends before the table does.
fn headers(frame: &[u8]) -> Option<Option<std::ops::Range<usize>>> {
    let flags = flags(frame)?;
    let mut at = PROPERTIES;
    for before in [CONTENT_TYPE, CONTENT_ENCODING] {
        if flags & before != 0 {
            at += 1 + usize::from(*frame.get(at)?);
        }
    }
    if flags & HEADERS == 0 {
        return Some(None);
    }
    let length = frame.get(at..at + 4)?;
    let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
    let end = (at + 4).checked_add(length)?;
    (end < frame.len()).then_some(Some(at..end))
}

/// The same header frame without its table.
fn without(frame: &[u8], table: std::ops::Range<usize>) -> Vec<u8> {
    let left = flags(frame).unwrap_or(0) & !HEADERS;
    let mut payload = frame[HEAD..FLAGS].to_vec();
    payload.extend(left.to_be_bytes());
    payload.extend(&frame[PROPERTIES..table.start]);
    payload.extend(&frame[table.end..frame.len() - 1]);
    header_frame(channel(frame), &payload)
}

/// A header frame of the same message with the mark as its only property.
fn marked(frame: &[u8], why: Unreadable) -> Vec<u8> {
    let mut entry = vec![u8::try_from(MARK.len()).unwrap_or(0)];
    entry.extend(MARK.as_bytes());
    entry.extend([b'B', why.code()]);
    // A header that ends before its body size is the broker's mistake, which the library reports.
    let mut payload = frame[HEAD..FLAGS.min(frame.len() - 1)].to_vec();
    payload.extend(HEADERS.to_be_bytes());
    payload.extend(length(&entry));
    payload.extend(entry);
    header_frame(channel(frame), &payload)
}

fn header_frame(channel: [u8; 2], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![HEADER];
    frame.extend(channel);
    frame.extend(length(payload));
    frame.extend(payload);
    frame.push(FRAME_END);
    frame
}

/// The exchange and the routing key in a method that carries a message: names that a sender chose.
fn names(frame: &[u8]) -> Option<[std::ops::Range<usize>; 2]> {
    const BASIC: u16 = 60;
    const DELIVER: u16 = 60;
    const GET_OK: u16 = 71;
    const RETURN: u16 = 50;
    const FIELDS: usize = HEAD + 4;
    let number =
        |at: usize| -> Option<u16> { Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?)) };
    let short_string = |at: usize| -> Option<std::ops::Range<usize>> {
        let length = usize::from(*frame.get(at)?);
        (at + 1 + length < frame.len()).then_some(at + 1..at + 1 + length)
    };
    if number(HEAD)? != BASIC {
        return None;
    }
    const TAG_AND_REDELIVERED: usize = 9;
    let exchange = match number(HEAD + 2)? {
        DELIVER => short_string(FIELDS)?.end + TAG_AND_REDELIVERED,
        GET_OK => FIELDS + TAG_AND_REDELIVERED,
        RETURN => short_string(FIELDS + 2)?.end,
        _ => return None,
    };
    let exchange = short_string(exchange)?;
    let key = short_string(exchange.end)?;
    Some([exchange, key])
}

/// Replaces each byte that is no part of a character by `?`, so that the length stays the same.
fn make_utf8(bytes: &mut [u8]) {
    let mut from = 0;
    while let Err(error) = std::str::from_utf8(&bytes[from..]) {
        let bad = from + error.valid_up_to();
        let end = error.error_len().map_or(bytes.len(), |length| bad + length);
        bytes[bad..end].fill(b'?');
        from = end;
    }
}

fn channel(frame: &[u8]) -> [u8; 2] {
    [frame[1], frame[2]]
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}

/// 0 means that there is no limit (AMQP 0-9-1, `connection.tune`).
fn limit(frame_max: u32) -> Option<usize> {
    usize::try_from(frame_max).ok().filter(|max| *max > 0)
}

/// The first `count` bytes, or as many as there are; `bytes` begins behind them.
fn cut<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (first, rest) = bytes.split_at(count.min(bytes.len()));
    *bytes = rest;
    first
}

#[cfg(test)]
mod tests;
