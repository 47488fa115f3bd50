import time as _time
import types as _types

from cupy._counts import counts as _counts


class _CUDARuntimeError(RuntimeError):
    pass


_PROPERTIES = {
    "name": b"stand-in for a GPU", "totalGlobalMem": 80 << 30, "multiProcessorCount": 132, "major": 9,
}  # fmt: skip
runtime = _types.SimpleNamespace(
    CUDARuntimeError=_CUDARuntimeError,
    getDeviceCount=lambda: 1,
    getDeviceProperties=lambda device: _PROPERTIES,
    getDevice=lambda: 0,
    deviceSynchronize=lambda: _counts.synchronize("deviceSynchronize"),
    runtimeGetVersion=lambda: 12090,
    driverGetVersion=lambda: 13000,
    memGetInfo=lambda: (70 << 30, 80 << 30),
)
cublas = _types.ModuleType("cupy.cuda.cublas")
MemoryPointer = _types.SimpleNamespace


class _Waited:
    """What the CPU can wait for, and what a block can be within."""

    def __enter__(self):
        return self

    def __exit__(self, *args):
        pass

    def synchronize(self):
        _counts.synchronize(f"{type(self).__name__}.synchronize")


class Device(_Waited):
    compute_capability = "90"
    __hash__ = None

    def __init__(self, device=None):
        self.id = 0 if device is None else int(device)

    def __int__(self):
        return self.id

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def use(self):
        if self.id:
            raise _CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")


class Event(_Waited):
    done = True

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        pass

    def record(self, stream=None):
        self.at = _time.perf_counter()


class Stream(_Waited):
    def __init__(self, null=False, non_blocking=False, ptds=False):
        self.ptr = 0

    def record(self, event=None):
        event = event or Event()
        event.record(self)
        return event


Stream.null = Stream(null=True)


def get_elapsed_time(start_event, end_event):
    return 1000 * (end_event.at - start_event.at)


def get_current_stream(device_id=-1):
    return Stream.null


def get_device_id():
    return 0


def is_available():
    return True
