//! The nesting depth of a field table, computed without recursion, before anything recursive reads the table.

/// Length of a value of each fixed-size type, as RabbitMQ writes them (RabbitMQ, "AMQP 0-9-1 errata", section
/// 3).
fn fixed_size(kind: u8) -> Option<usize> {
    Some(match kind {
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'U' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'l' | b'L' | b'd' | b'T' => 8,
        _ => return None,
    })
}

/// A table or array that is being read: where it ends, and whether its entries have names.
struct Open {
    end: usize,
    named: bool,
}

/// The number of tables and arrays inside one another: 1 for a table of plain values, `most + 1` for any
/// depth above `most`. `None` when these bytes are no table.
pub(crate) fn depth(table: &[u8], most: usize) -> Option<usize> {
    let mut open = vec![Open {
        end: table.len(),
        named: true,
    }];
    let (mut at, mut deepest) = (0, 1);
    while let Some(Open { end, named }) = open.last() {
        let (end, named) = (*end, *named);
        if at >= end {
            open.pop();
            continue;
        }
        if named {
            at += 1 + usize::from(*table.get(at)?);
        }
        let kind = *table.get(at)?;
        at += 1;
        if let Some(size) = fixed_size(kind) {
            at += size;
        } else {
            let length = table.get(at..at.checked_add(4)?)?;
            let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
            at += 4;
            match kind {
                b'S' | b'x' => at = at.checked_add(length)?,
                b'A' | b'F' => {
                    open.push(Open {
                        end: at.checked_add(length)?,
                        named: kind == b'F',
                    });
                    deepest = deepest.max(open.len());
                    if deepest > most {
                        return Some(most + 1);
                    }
                }
                _ => return None,
            }
        }
        let ends = open.last().map_or(end, |open| open.end.max(at));
        if at > end || ends > end {
            return None;
        }
    }
    Some(deepest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(inner: &[u8]) -> Vec<u8> {
        let mut bytes = vec![b'A'];
        bytes.extend(u32::try_from(inner.len()).unwrap().to_be_bytes());
        bytes.extend(inner);
        bytes
    }

    fn entry(name: &str, value: &[u8]) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(name.len()).unwrap()];
        bytes.extend(name.as_bytes());
        bytes.extend(value);
        bytes
    }

    fn nested(levels: usize) -> Vec<u8> {
        let mut value = vec![b'V'];
        for _ in 0..levels {
            value = array(&value);
        }
        entry("x", &value)
    }

    #[test]
    fn depth_is_counted_and_bounded() {
        assert_eq!(depth(b"", 32), Some(1));
        assert_eq!(depth(&entry("x", b"S\0\0\0\x02hi"), 32), Some(1));
        assert_eq!(depth(&nested(3), 32), Some(4));
        assert_eq!(depth(&nested(20_000), 32), Some(33));
    }

    #[test]
    fn neighbours_do_not_add_up() {
        let mut table = nested(5);
        table.extend(nested(2));
        table.extend(entry("y", b"t\x01"));
        assert_eq!(depth(&table, 32), Some(6));
    }

    #[test]
    fn what_is_no_table_is_none() {
        for bytes in [
            &b"\x05x"[..],
            b"\x01xS\0\0\0\x05hi",
            b"\x01xA\xff\xff\xff\xff",
            b"\x01xq",
            b"\x01xl\0",
        ] {
            assert_eq!(depth(bytes, 32), None, "{bytes:?}");
        }
        // An inner table that ends behind the outer one.
        let mut inner = vec![b'A', 0, 0, 0, 9];
        inner.extend(b"V");
        assert_eq!(depth(&entry("x", &array(&inner)), 32), None);
    }
}
