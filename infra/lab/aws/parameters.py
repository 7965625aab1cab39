"""Parameter Store, as far as moto is kinder: a name that was deleted just now cannot be used again at once.

Amazon tells its users to wait at least 30 s between the two.
"""

import time

from moto.ssm.exceptions import SSMException
from moto.ssm.models import SimpleSystemManagerBackend as Backend


class TooManyUpdates(SSMException):
    code = "TooManyUpdates"
    message = "There are concurrent updates for a resource that supports one update at a time."


def _deleted_at(backend):
    """By name. It goes with the rest of the backend's state when moto is reset."""
    return vars(backend).setdefault("deleted_at", {})


def install(world):
    put, delete, delete_some = Backend.put_parameter, Backend.delete_parameter, Backend.delete_parameters

    def put_parameter(backend, name, *args, **kwargs):
        deleted_at = _deleted_at(backend).get(name)
        if deleted_at is not None and time.monotonic() < deleted_at + world["parameter_rest_s"]:
            raise TooManyUpdates
        return put(backend, name, *args, **kwargs)

    def delete_parameter(backend, name):
        delete(backend, name)
        _deleted_at(backend)[name] = time.monotonic()

    def delete_parameters(backend, names):
        gone = delete_some(backend, names)
        _deleted_at(backend).update({name: time.monotonic() for name in gone})
        return gone

    Backend.put_parameter, Backend.delete_parameter = put_parameter, delete_parameter
    Backend.delete_parameters = delete_parameters
