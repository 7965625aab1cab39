"""Smithy RPC v2 CBOR, which current SDKs speak with CloudWatch and moto does not: translated to and from its JSON.

    POST /service/<service>/operation/<name>, CBOR  ->  X-Amz-Target: <prefix>.<name>, JSON  ->  moto
"""

import datetime
import functools
import io
import json
import re
import struct

import botocore.loaders
import botocore.model
from botocore.parsers import create_parser

PATH = re.compile(r"/service/(\w+)/operation/(\w+)$")
HEADERS = [("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")]
UNSIGNED, NEGATIVE, TEXT, ARRAY, MAP, TAG = 0, 1, 3, 4, 5, 6
EPOCH_TAG = 1


@functools.cache
def cloudwatch_model():
    return botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model("cloudwatch", "service-2"))


def to_json_request(environ, body):
    """The same request in JSON, as (environ, body); None when it is not CBOR."""
    match = PATH.match(environ["PATH_INFO"])
    if not match:
        return None
    parser = create_parser("smithy-rpc-v2-cbor")
    values = parser.parse_data_item(parser.get_peekable_stream_from_bytes(body)) if body else {}
    text = json.dumps(values, default=_epoch).encode()
    translated = {**environ, "PATH_INFO": "/", "CONTENT_TYPE": "application/x-amz-json-1.0",
                  "CONTENT_LENGTH": str(len(text)), "HTTP_X_AMZ_TARGET": f"{match[1]}.{match[2]}"}
    return translated, text


def from_json_answer(operation, status, body):
    """The answer's body in CBOR. Successful answers need the model, for it knows which numbers are times."""
    values = json.loads(body) if body else {}
    shape = None
    if status < 300 and operation in cloudwatch_model().operation_names:
        shape = cloudwatch_model().operation_model(operation).output_shape
    out = io.BytesIO()
    _encode(out, values, shape)
    return out.getvalue()


def _epoch(value):
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    raise TypeError(f"{type(value)} in a request")


def _head(out, major, count):
    for info, size in ((24, ">B"), (25, ">H"), (26, ">I"), (27, ">Q")):
        if count < 24:
            out.write(bytes([major << 5 | count]))
            return
        if count < 1 << 8 * struct.calcsize(size):
            out.write(bytes([major << 5 | info]) + struct.pack(size, count))
            return


def _float(out, value):
    out.write(b"\xfb" + struct.pack(">d", value))


def _encode(out, value, shape):
    kind = shape.type_name if shape is not None else None
    if value is None:
        out.write(b"\xf6")
    elif isinstance(value, bool):
        out.write(b"\xf5" if value else b"\xf4")
    elif kind == "timestamp":
        _head(out, TAG, EPOCH_TAG)
        _float(out, float(value))
    elif isinstance(value, float) or kind in ("double", "float"):
        _float(out, float(value))
    elif isinstance(value, int):
        _head(out, UNSIGNED if value >= 0 else NEGATIVE, value if value >= 0 else -1 - value)
    elif isinstance(value, str):
        data = value.encode()
        _head(out, TEXT, len(data))
        out.write(data)
    elif isinstance(value, list):
        _head(out, ARRAY, len(value))
        for item in value:
            _encode(out, item, shape.member if kind == "list" else None)
    else:
        _encode_map(out, value, shape, kind)


def _encode_map(out, value, shape, kind):
    _head(out, MAP, len(value))
    for key, item in value.items():
        member = None
        if kind == "structure":
            member = shape.members.get(key)
        elif kind == "map":
            member = shape.value
        _encode(out, key, None)
        _encode(out, item, member)
