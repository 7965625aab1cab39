"""What the demo asks of the lab: a fleet, its state, and a verdict at the end."""

import json
import os
import secrets
import sys
import time
import urllib.request

API = os.environ["LAB_API"]
REGISTRY = os.environ["LAB_REGISTRY"]
HOSTS = ["h1", "h2", "h3"]
# Everything awaited here is there within seconds; a minute means that it never will be.
PATIENCE_S = 60


def call(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.load(answer)


def await_until(what, ready):
    until = time.monotonic() + PATIENCE_S
    while not ready():
        if time.monotonic() > until:
            sys.exit(f"{what} did not come within {PATIENCE_S} s")
        time.sleep(0.1)


def states():
    return [target["state"] for group in call("/state")["target_groups"] for target in group["targets"]]


def fleet():
    for tag, mode in [("v1", "ok"), ("v2", "ok"), ("v3", "unhealthy")]:
        call("/images", {"repository": "search-api", "tag": tag, "version": tag, "mode": mode})
    health = {"path": "/health", "interval_s": 0.5, "timeout_s": 1, "healthy_threshold": 2, "unhealthy_threshold": 2}
    group = {"name": "search-api-8080", "port": 8080, "deregistration_delay_s": 3, "listen": 8100, "health": health}
    call("/fleet", {
        "name": "search-api-asg", "hosts": HOSTS, "target_groups": [group], "suspended": ["ScheduledActions"],
        "alarms": [{"name": "search-api-5xx", "actions_enabled": True, "state": "OK"}],
        "tags": {"stack": "search", "release": "api", "deployment": "staging"},
    })
    for host in HOSTS:
        args = ["-p", "8080:8080", "--restart", "always"]
        call(f"/hosts/{host}/run", {"image": f"{REGISTRY}/search-api:v1", "name": "api", "args": args})
    await_until("a healthy fleet", lambda: states() == ["healthy"] * len(HOSTS))
    print("search-api-asg: 3 instances, container api of search-api:v1, started by hand with docker run")


def state():
    seen = call("/state")
    for group in seen["groups"]:
        print(f"{group['name']} suspended: {' '.join(sorted(group['suspended'])) or 'nothing'}")
    for alarm in seen["alarms"]:
        print(f"{alarm['name']} actions: {'on' if alarm['actions_enabled'] else 'off'}, tags {len(alarm['tags'])}")
    for group in seen["target_groups"]:
        print(f"{group['name']}: {' '.join(sorted(target['state'] for target in group['targets']))}")


def await_worker():
    url = os.environ["LAB_RABBITMQ_API"].split("//", 1)[1]
    login, place = url.split("@", 1)
    manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    user, password = login.split(":", 1)
    manager.add_password(None, f"http://{place}", user, password)
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(manager))

    def consumes():
        try:
            with opener.open(f"http://{place}/consumers/%2f", timeout=5) as answer:
                queues = [consumer["queue"]["name"] for consumer in json.load(answer)]
        except OSError:
            return False
        return {"drawgate.releases.demo", "drawgate.control.demo"} <= set(queues)

    await_until("the worker", consumes)
    print("the worker consumes drawgate.releases.demo")


def counts(path):
    with open(path) as file:
        return json.load(file)


def await_load(path):
    def flows():
        try:
            return counts(path)["requests"] > 20
        except (OSError, ValueError):
            return False

    await_until("load", flows)


def failed(path):
    # The file is written each half second: what was asked before now is in it after a whole one.
    seen = os.stat(path).st_mtime
    await_until("the count", lambda: os.stat(path).st_mtime > seen + 0.6)
    print(f"failed requests: {counts(path)['failed']}")


def versions():
    found = []
    for host in HOSTS:
        running = [one for one in call(f"/hosts/{host}/containers") if one["State"]["Running"]]
        found += [one["Config"]["Labels"].get("drawgate.version", "by hand") for one in running]
    return found


def judge(before, after, load):
    before, after = open(before).read(), open(after).read()
    load = counts(load)
    print(after, end="")
    print("requests:", load["requests"], "by version:", load["by_version"])
    print("failed requests:", load["failed"])
    found = versions()
    print("running:", ", ".join(found))
    verdicts = {
        "scaling, alarms and targets as before": before == after,
        "v2 on 3 of 3": found == ["v2"] * len(HOSTS),
        "no failed request": load["failed"] == 0,
    }
    for what, good in verdicts.items():
        print(f"  {'ok' if good else '!!'}    {what}")
    sys.exit(0 if all(verdicts.values()) else 1)


def new_id():
    """A UUID of version 7: 48 bits of Unix milliseconds, version, 74 random bits, variant (RFC 9562)."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    print("-".join([text[:8], text[8:12], text[12:16], text[16:20], text[20:]]))


COMMANDS = {
    "fleet": fleet, "state": state, "await-worker": await_worker, "await-load": await_load, "failed": failed,
    "judge": judge, "new-id": new_id,
}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
