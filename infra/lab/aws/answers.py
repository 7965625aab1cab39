"""moto's answers, made quicker: of 500 instances it needs eight seconds for one, and holds the lock meanwhile.

Two things take that time. For each field moto looks anew under which names an object may have it, though that depends on
the field and on the object's class alone; and xmltodict checks every name that moto's own model gave it.
"""

from xml.sax.saxutils import escape, quoteattr

import xmltodict
from moto.core import serialize
from moto.core.serialize import XFormedAttributePicker
from moto.ec2.models import EC2Backend

_names = {}


def possible_keys(picker, context, search=XFormedAttributePicker.get_possible_keys):
    shape = context.shape
    parent = getattr(shape, "parent", None)
    field = (type(context.obj), context.key, shape.name, shape.type_name, shape.serialization.get("name"),
             parent and parent.name, context.service_model.service_name)
    found = _names.get(field)
    if found is None:
        found = _names[field] = tuple(dict.fromkeys(search(picker, context)))
    return found


class Xml:
    """Stands in for the module xmltodict in moto's serializer, which uses this one function of it."""

    @staticmethod
    def unparse(document, full_document=True, pretty=False, short_empty_elements=False):
        if pretty:
            return xmltodict.unparse(document, full_document=full_document, pretty=True,
                                     short_empty_elements=short_empty_elements)
        written = ['<?xml version="1.0" encoding="utf-8"?>\n'] if full_document else []
        for name, value in document.items():
            _write(name, value, written, short_empty_elements)
        return "".join(written)


def _write(name, value, written, short):
    """A list is an element for each entry, `@` begins an attribute, `#text` is an element's text."""
    for each in value if isinstance(value, (list, tuple)) else [value]:
        if not isinstance(each, dict):
            each = {} if each is None else {"#text": each}
        attributes = "".join(f" {key[1:]}={quoteattr(_text(text))}" for key, text in each.items() if key[0] == "@")
        begin = len(written)
        for key, inner in each.items():
            if key == "#text":
                written.append(escape(_text(inner)))
            elif key[0] != "@":
                _write(key, inner, written, short)
        if short and len(written) == begin:
            written.append(f"<{name}{attributes}/>")
        else:
            written.insert(begin, f"<{name}{attributes}>")
            written.append(f"</{name}>")


def _text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def describe_images(backend, ami_ids=None, filters=None, exec_users=None, owners=None, search=EC2Backend.describe_images):
    """Each new instance asks for its image, and moto compares each of 1,300 with the filter."""
    wanted = filters.get("image-id") if filters and len(filters) == 1 else None
    if isinstance(wanted, str) and not (ami_ids or exec_users or owners):
        return [backend.amis[wanted]] if wanted in backend.amis else []
    return search(backend, ami_ids, filters, exec_users, owners)


def install():
    XFormedAttributePicker.get_possible_keys = possible_keys
    serialize.xmltodict = Xml
    EC2Backend.describe_images = describe_images
