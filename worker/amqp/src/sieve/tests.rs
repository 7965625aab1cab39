use amq_protocol::frame::{AMQPContentHeader, gen_frame};
use amq_protocol::protocol::basic::{self, AMQPProperties};
use lapin::types::FieldTable;

use super::*;

fn sieve() -> Sieve {
    Sieve::new(None, Arc::default())
}

fn bytes_of(frame: &AMQPFrame) -> Vec<u8> {
    let mut bytes = vec![0; 256 * 1024];
    let size = gen_frame(frame)(bytes.as_mut_slice().into())
        .unwrap()
        .into_inner()
        .1;
    bytes.truncate(usize::try_from(size).unwrap());
    bytes
}

fn deliver(key: &str) -> Vec<u8> {
    bytes_of(&AMQPFrame::Method(
        7,
        AMQPClass::Basic(basic::AMQPMethod::Deliver(basic::Deliver {
            consumer_tag: "consumer".into(),
            delivery_tag: 3,
            redelivered: true,
            exchange: "drawgate.releases".into(),
            routing_key: key.into(),
        })),
    ))
}

fn header(properties: AMQPProperties) -> Vec<u8> {
    bytes_of(&AMQPFrame::Header(
        7,
        AMQPContentHeader {
            class_id: 60,
            body_size: 4,
            properties,
        },
    ))
}

/// A header frame with these bytes as its properties, flags included.
fn raw_header(properties: &[u8]) -> Vec<u8> {
    let mut payload = vec![0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4];
    payload.extend(properties);
    header_frame([0, 7], &payload)
}

/// Property flags, a table of headers nested `levels` deep, and a user id after it.
fn nested(levels: usize) -> Vec<u8> {
    let mut value = vec![b'V'];
    for _ in 0..levels {
        let mut outer = vec![b'A'];
        outer.extend(length(&value));
        outer.extend(value);
        value = outer;
    }
    let mut table = vec![0];
    table.extend(value);
    let mut properties = (HEADERS | 1 << 4).to_be_bytes().to_vec();
    properties.extend(length(&table));
    properties.extend(table);
    properties.extend(b"\x02ci");
    properties
}

fn through(sieve: &mut Sieve, bytes: &[u8]) -> Vec<u8> {
    // In odd pieces, as a network may deliver them.
    for piece in bytes.chunks(11) {
        sieve.put(piece).unwrap();
    }
    let mut all = vec![0; bytes.len() + 1024];
    let count = sieve.take(&mut all);
    all.truncate(count);
    all
}

/// The properties that the library reads from a header frame.
fn read(bytes: &[u8]) -> AMQPProperties {
    match parse_frame(bytes) {
        Ok(([], AMQPFrame::Header(7, header))) => {
            assert_eq!(header.body_size, 4);
            header.properties
        }
        other => panic!("{other:?}"),
    }
}

fn sifted(properties: &[u8]) -> AMQPProperties {
    read(&through(&mut sieve(), &raw_header(properties)))
}

#[test]
fn what_can_be_read_passes_as_it_is() {
    let mut headers = FieldTable::default();
    headers.insert("x-build".into(), AMQPValue::LongString("812".into()));
    let properties = AMQPProperties::default()
        .with_headers(headers)
        .with_user_id("ci".into());
    let body = bytes_of(&AMQPFrame::Body(7, vec![0xFF, 0xCE, 1, 2]));
    let all = [
        deliver("staging.api"),
        header(properties),
        body,
        bytes_of(&AMQPFrame::Heartbeat),
    ];
    assert_eq!(through(&mut sieve(), &all.concat()), all.concat());
}

#[test]
fn a_name_that_is_no_text_marks_the_message() {
    for properties in [
        &b"\0\x20\x03\xed\xa0\x80"[..],
        b"\0\x80\x01\xff",
        b"\x80\0\x01\xff",
        b"\x20\0\0\0\0\x03\x01\xffV",
        b"\x20\0\0\0\0\x03\x01xq",
        b"\x20\0\xff\xff\xff\xff",
    ] {
        let properties = sifted(properties);
        assert_eq!(crate::unreadable(&properties), Some(Unreadable::Properties));
    }
}

#[test]
fn deep_headers_are_cut_and_deeper_ones_mark() {
    let levels = |levels| sifted(&nested(levels));
    let kept = levels(20);
    assert_eq!((kept.headers().is_some(), crate::unreadable(&kept)), (true, None));
    let cut = levels(1000);
    assert_eq!((cut.headers(), crate::unreadable(&cut)), (&None, None));
    assert_eq!(
        cut.user_id().as_ref().map(|user| user.as_str()),
        Some("ci"),
        "the rest stays"
    );
    for deep in [1024, 2000, 20_000] {
        assert_eq!(
            crate::unreadable(&levels(deep)),
            Some(Unreadable::TooDeep),
            "{deep}"
        );
    }
}

#[test]
fn a_routing_key_that_is_no_text_marks_its_message_alone() {
    let mut bad = deliver("staging.xx");
    let key = bad.len() - 3;
    bad[key] = 0xFF;
    let good = header(AMQPProperties::default().with_user_id("ci".into()));
    let mut sieve = sieve();
    let method = through(&mut sieve, &bad);
    match parse_frame(method.as_slice()) {
        Ok((_, AMQPFrame::Method(7, AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver))))) => {
            assert_eq!(
                (deliver.routing_key.as_str(), deliver.delivery_tag),
                ("staging.?x", 3)
            );
        }
        other => panic!("{other:?}"),
    }
    let first = read(&through(&mut sieve, &good));
    assert_eq!(crate::unreadable(&first), Some(Unreadable::Address));
    let second = read(&through(&mut sieve, &good));
    assert_eq!(
        crate::unreadable(&second),
        None,
        "the next message is another one"
    );
}

#[test]
fn a_header_beyond_frame_max_loses_its_table() {
    let mut headers = FieldTable::default();
    headers.insert("x-fill".into(), AMQPValue::LongString("x".repeat(130_960).into()));
    let properties = AMQPProperties::default()
        .with_headers(headers)
        .with_message_id("m".into());
    let bytes = header(properties);
    assert!(bytes.len() > FRAME_MAX_DEFAULT - 100 && bytes.len() < FRAME_MAX_DEFAULT);
    assert_eq!(through(&mut sieve(), &bytes), bytes, "within the bound it passes");
    let mut small = Sieve::new(Some(4096), Arc::default());
    let properties = read(&through(&mut small, &bytes));
    assert_eq!(properties.headers(), &None);
    assert_eq!(properties.message_id().as_ref().map(|id| id.as_str()), Some("m"));
}

#[test]
fn the_handshake_tells_version_and_frame_max() {
    let mut server = FieldTable::default();
    server.insert("version".into(), AMQPValue::LongString("4.0.5".into()));
    let start = connection::AMQPMethod::Start(connection::Start {
        version_major: 0,
        version_minor: 9,
        server_properties: server,
        mechanisms: "PLAIN".into(),
        locales: "en_US".into(),
    });
    let tune = connection::AMQPMethod::Tune(connection::Tune {
        channel_max: 2047,
        frame_max: 8192,
        heartbeat: 60,
    });
    let mut sieve = sieve();
    for method in [start, tune] {
        let bytes = bytes_of(&AMQPFrame::Method(0, AMQPClass::Connection(method)));
        assert_eq!(through(&mut sieve, &bytes), bytes);
    }
    assert_eq!(sieve.version.get().map(String::as_str), Some("4.0.5"));
    assert_eq!(sieve.frame_max, 8192);
}

#[test]
fn what_is_no_frame_passes_and_is_the_librarys_to_refuse() {
    let http = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    assert_eq!(through(&mut sieve(), http), http);
    let other = b"AMQP\0\x01\0\0";
    assert_eq!(through(&mut sieve(), other), other);
}

#[test]
fn a_frame_without_end_is_refused() {
    let mut sieve = sieve();
    assert!(sieve.put(&[HEADER, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF]).is_err());
}

#[test]
fn a_forged_mark_is_known() {
    let mut headers = FieldTable::default();
    headers.insert(MARK.into(), AMQPValue::LongString("hello".into()));
    let properties = AMQPProperties::default().with_headers(headers);
    assert_eq!(crate::unreadable(&properties), Some(Unreadable::Forged));
}

#[test]
fn names_keep_their_length() {
    let mut name = *b"a\xff\xc3\xa4\xe2\x82";
    make_utf8(&mut name);
    assert_eq!(&name, "a?ä??".as_bytes());
}
