"""What a schema cannot say: valid requests carry a real volume and JSON, so that they reach what lies behind the form."""

import json
import os
from email.message import EmailMessage

import schemathesis
from schemathesis.transport.serialization import Binary

with open(os.environ["LIMNET_TEST_VOLUME"], "rb") as file:
    VOLUME = Binary(file.read())

CLICKS = json.dumps({"foreground": [[1, 1, 1]], "background": [], "label": "tumour", "result_extension": ".nrrd"})


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict):
        return body
    # Only what is of the right type already: a part that was spoilt on purpose stays spoilt.
    for part in ("file", "files", "label"):
        if isinstance(body.get(part), (bytes, Binary)):
            body[part] = VOLUME
        elif isinstance(body.get(part), list) and all(isinstance(one, (bytes, Binary)) for one in body[part]):
            body[part] = [VOLUME]
    for field in ("params", "info"):
        if isinstance(body.get(field), str):
            body[field] = CLICKS
    return body


@schemathesis.deserializer("multipart/form-data")
def read_form(context, response):
    """The JSON parts of a multipart reply as objects, the others as bytes."""
    content_type = response.headers["content-type"]
    content_type = content_type[0] if isinstance(content_type, list) else content_type
    message = EmailMessage()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary").encode()
    form = {}
    for part in response.content.split(b"--" + boundary)[1:-1]:
        head, _, body = part.strip(b"\r\n").partition(b"\r\n\r\n")
        name = head.split(b'name="')[1].split(b'"')[0].decode()
        form[name] = json.loads(body) if b"application/json" in head else body.decode("latin1")
    return form


@schemathesis.serializer("multipart/related")
def write_related(context, value):
    """STOW of the archive: one part of what was generated; without an archive behind the server nobody reads it."""
    content = value.data if isinstance(value, Binary) else json.dumps(value).encode() if not isinstance(value, bytes) else value
    return b"--b\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--b--\r\n"
