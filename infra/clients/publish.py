#!/usr/bin/env python3
"""publish.py ENVIRONMENT SERVICE IMAGE: asks for a release, and prints its id.

DRAWGATE_AMQP_URL is the broker's address. Exit code 0: the broker has the message in a worker's queue.
"""

import json
import os
import sys
import time
import uuid
from datetime import datetime, timezone

import pika
import pika.exceptions


def uuid7() -> str:
    """Milliseconds since 1970, then chance (RFC 9562, section 5.7)."""
    number = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=number))


def main() -> int:
    if len(sys.argv) != 4 or "DRAWGATE_AMQP_URL" not in os.environ:
        print(__doc__, file=sys.stderr)
        return 2
    environment, service, image = sys.argv[1:]
    request = {
        "version": 1,
        "id": uuid7(),
        "environment": environment,
        "service": service,
        "image": image,
        "requested_at": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    parameters = pika.URLParameters(os.environ["DRAWGATE_AMQP_URL"])
    try:
        with pika.BlockingConnection(parameters) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish(
                exchange="drawgate.releases",
                routing_key=f"{environment}.{service}",
                body=json.dumps(request).encode(),
                # The broker vouches for the user's name, and refuses another.
                properties=pika.BasicProperties(
                    content_type="application/json",
                    delivery_mode=pika.DeliveryMode.Persistent,
                    user_id=parameters.credentials.username,
                ),
                mandatory=True,
            )
    except pika.exceptions.UnroutableError:
        print(f"no worker serves {environment}.{service}: nothing was released", file=sys.stderr)
        return 3
    except pika.exceptions.NackError:
        print("the broker did not take the message: publish again", file=sys.stderr)
        return 5
    except pika.exceptions.AMQPError as error:
        print(f"the broker could not be reached, or refused: {error!r}", file=sys.stderr)
        return 5
    print(request["id"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
