"""Request rates, on where the world is hard or a test asks for them: each Region's buckets of tokens, and who was turned away for want of one.

    request -> buckets of its action (aws/rates.py) -> a token in each: one taken from each, admitted
                                                    -> none in one of them: nothing taken, throttled
"""

import collections
import dataclasses
import threading
import time

from aws import rates

# Tenths of a token do not add up to a whole one in binary.
ONE = 1 - 1e-6


@dataclasses.dataclass
class Bucket:
    rate: rates.Rate
    size: float
    refill_per_s: float
    tokens: float
    at: float
    # Requests that took a token of it.
    admitted: int = 0

    def fill(self, now):
        """By the moment, where AWS adds a second's tokens at a time: the same in the long run, and no test waits longer."""
        self.tokens = min(self.size, self.tokens + (now - self.at) * self.refill_per_s)
        self.at = now


def drawn_on(actions):
    """The buckets that a request with a filter or pages draws on, for each of these actions."""
    return {action: [_shown(rate, action.partition(":")[2]) for rate in rates.of(*action.split(":"), narrowed=True)]
            for action in actions}


def _shown(rate, name):
    return {"bucket": rate.bucket_of(name), "size": rate.bucket, "refill_per_s": rate.refill_per_s, "source": rate.source}


class Throttling:
    """Requests come on a thread each, so all is behind one lock."""

    def __init__(self, clock=time.monotonic):
        self.lock, self.clock = threading.Lock(), clock
        self.set(False, 0.0)

    def set(self, on, others):
        """With full buckets, less the share that others in the account take of each."""
        with self.lock:
            self.on, self.others, self.buckets = on, others, {}
            self.calls, self.throttled = collections.Counter(), collections.Counter()

    def admits(self, call):
        """Takes the request's tokens. One that is throttled costs none, in whichever bucket."""
        with self.lock:
            if not self.on:
                return True
            service, _, name = call.action.partition(":")
            drawn = [self._bucket(call.region, service, name, rate) for rate in rates.of(service, name, call.narrowed)]
            admitted = all(bucket.tokens >= ONE for bucket in drawn)
            for bucket in drawn:
                bucket.tokens -= admitted
                bucket.admitted += admitted
            self.calls[call.region, call.action] += 1
            self.throttled[call.region, call.action] += not admitted
            return admitted

    def _bucket(self, region, service, name, rate):
        """Full when first drawn on. It holds at least one token, or else no request would ever pass."""
        key, now, ours = (region, service, rate.bucket_of(name)), self.clock(), 1 - self.others
        if key not in self.buckets:
            size = max(1.0, rate.bucket * ours)
            self.buckets[key] = Bucket(rate, size, rate.refill_per_s * ours, size, now)
        self.buckets[key].fill(now)
        return self.buckets[key]

    def state(self):
        with self.lock:
            for bucket in self.buckets.values():
                bucket.fill(self.clock())
            return {
                "on": self.on, "others": self.others,
                "buckets": [{"region": region, "service": service, "bucket": name, "tokens": round(bucket.tokens, 3),
                             "admitted": bucket.admitted, "size": bucket.size, "refill_per_s": bucket.refill_per_s, "source": bucket.rate.source}
                            for (region, service, name), bucket in sorted(self.buckets.items(), key=lambda item: item[0])],
                "actions": [{"region": region, "action": action, "calls": count,
                             "throttled": self.throttled[region, action]}
                            for (region, action), count in sorted(self.calls.items())],
            }
