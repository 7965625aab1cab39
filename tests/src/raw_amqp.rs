//! AMQP 0-9-1 byte by byte: sends messages that no library writes, and reads messages as the broker stores
//! them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use amq_protocol::frame::{AMQPFrame, gen_frame};
use amq_protocol::protocol::{AMQPClass, basic, channel, confirm, connection};
use lapin::uri::AMQPUri;

/// Time-out for an answer of the broker.
const SILENCE: Duration = Duration::from_secs(20);
const CHANNEL: u16 = 1;
const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const BASIC: [u8; 2] = [0, 60];
/// Octets of a frame around its payload.
const AROUND: usize = 8;

/// A message as the broker stores it.
#[derive(Debug, PartialEq, Eq)]
pub struct RawMessage {
    /// Its routing key.
    pub key: Vec<u8>,
    /// The properties: flags, and the fields that the flags announce.
    pub properties: Vec<u8>,
    pub body: Vec<u8>,
}

/// A connection with one channel in confirm mode.
pub struct RawAmqp {
    stream: TcpStream,
    frame_max: usize,
}

impl RawAmqp {
    /// Logs in with name and password.
    pub fn connect(url: &str) -> Self {
        let uri: AMQPUri = url.parse().expect("the broker's address");
        let host = (uri.authority.host.as_str(), uri.authority.port);
        let stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(SILENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut raw = Self {
            stream,
            frame_max: 131_072,
        };
        raw.stream.write_all(b"AMQP\0\0\x09\x01").unwrap();
        raw.read();
        let user = &uri.authority.userinfo;
        raw.send(
            0,
            AMQPClass::Connection(connection::AMQPMethod::StartOk(connection::StartOk {
                client_properties: Default::default(),
                mechanism: "PLAIN".into(),
                response: format!("\0{}\0{}", user.username, user.password).into(),
                locale: "en_US".into(),
            })),
        );
        raw.read();
        raw.send(
            0,
            AMQPClass::Connection(connection::AMQPMethod::TuneOk(connection::TuneOk {
                channel_max: 10,
                frame_max: 131_072,
                heartbeat: 0,
            })),
        );
        raw.send(
            0,
            AMQPClass::Connection(connection::AMQPMethod::Open(connection::Open {
                virtual_host: uri.vhost.as_str().into(),
            })),
        );
        raw.read();
        raw.ask(AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})));
        raw.ask(AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select {
            nowait: false,
        })));
        raw
    }

    /// Publishes a message, and waits for the broker's confirm.
    pub fn publish(&mut self, exchange: &str, key: &[u8], properties: &[u8], body: &[u8]) {
        let mut method = [&BASIC[..], &[0, 40, 0, 0]].concat();
        for name in [exchange.as_bytes(), key] {
            method.push(u8::try_from(name.len()).unwrap());
            method.extend(name);
        }
        method.push(0);
        self.frame(METHOD, &method);
        let size = u64::try_from(body.len()).unwrap().to_be_bytes();
        self.frame(HEADER, &[&BASIC[..], &[0, 0], &size, properties].concat());
        for piece in body.chunks(self.frame_max - AROUND) {
            self.frame(BODY, piece);
        }
        let (kind, answer) = self.read();
        assert_eq!(
            (kind, &answer[..4]),
            (METHOD, &[0, 60, 0, 80][..]),
            "the broker did not take it: {}",
            String::from_utf8_lossy(&answer)
        );
    }

    /// Takes the next message out of a queue.
    pub fn get(&mut self, queue: &str) -> Option<RawMessage> {
        const GET_OK: &[u8] = &[0, 60, 0, 71];
        let (_, method) = self.ask(AMQPClass::Basic(basic::AMQPMethod::Get(basic::Get {
            queue: queue.into(),
            no_ack: true,
        })));
        if &method[..4] != GET_OK {
            return None;
        }
        const TAG_AND_REDELIVERED: usize = 9;
        let short = |at: usize| at + 1..at + 1 + usize::from(method[at]);
        let exchange = short(4 + TAG_AND_REDELIVERED);
        let key = method[short(exchange.end)].to_vec();
        let (_, header) = self.read();
        let size = usize::try_from(u64::from_be_bytes(header[4..12].try_into().unwrap())).unwrap();
        let mut body = Vec::new();
        while body.len() < size {
            body.extend(self.read().1);
        }
        Some(RawMessage {
            key,
            properties: header[12..].to_vec(),
            body,
        })
    }

    fn ask(&mut self, method: AMQPClass) -> (u8, Vec<u8>) {
        self.send(CHANNEL, method);
        self.read()
    }

    fn send(&mut self, channel: u16, method: AMQPClass) {
        let mut bytes = vec![0; 4096];
        let frame = AMQPFrame::Method(channel, method);
        let size = gen_frame(&frame)(bytes.as_mut_slice().into())
            .unwrap()
            .into_inner()
            .1;
        self.stream
            .write_all(&bytes[..usize::try_from(size).unwrap()])
            .unwrap();
    }

    fn frame(&mut self, kind: u8, payload: &[u8]) {
        let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let bytes = [&[kind][..], &CHANNEL.to_be_bytes(), &size, payload, &[0xCE]].concat();
        self.stream.write_all(&bytes).unwrap();
    }

    /// Reads the next frame: its type and payload.
    fn read(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 7];
        self.stream.read_exact(&mut head).unwrap();
        let size = u32::from_be_bytes(head[3..].try_into().unwrap());
        let mut payload = vec![0; usize::try_from(size).unwrap() + 1];
        self.stream.read_exact(&mut payload).unwrap();
        payload.pop();
        (head[0], payload)
    }
}

/// Properties with nothing but a table of headers, in which one value, without a name, is nested so deep in
/// arrays (`A`) or tables (`F`).
pub fn nested_headers(kind: u8, levels: usize) -> Vec<u8> {
    // Built from the outside in without copying, because the lengths are known beforehand.
    let named = usize::from(kind == b'F');
    let around = 5 + named;
    let mut properties = vec![0x20, 0];
    let mut table = Vec::with_capacity(levels * around + 2);
    table.push(0);
    for level in (0..levels).rev() {
        let inside = level * around + named + 1;
        table.push(kind);
        table.extend(u32::try_from(inside).unwrap().to_be_bytes());
        table.extend(std::iter::repeat_n(0, named));
    }
    table.push(b'V');
    properties.extend(u32::try_from(table.len()).unwrap().to_be_bytes());
    properties.extend(table);
    properties
}
