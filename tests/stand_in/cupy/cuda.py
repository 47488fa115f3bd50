import time as _time
import types as _types

from cupy._counts import counts as _counts


class _CUDARuntimeError(RuntimeError):
    pass


def _device_properties(device):
    return {"name": b"stand-in for a GPU", "totalGlobalMem": 80 << 30, "multiProcessorCount": 132, "major": 9}


runtime = _types.SimpleNamespace(
    CUDARuntimeError=_CUDARuntimeError,
    getDeviceCount=lambda: 1,
    getDeviceProperties=_device_properties,
    getDevice=lambda: 0,
    deviceSynchronize=lambda: _counts.synchronize("deviceSynchronize"),
    runtimeGetVersion=lambda: 12090,
    driverGetVersion=lambda: 13000,
    memGetInfo=lambda: (70 << 30, 80 << 30),
)
cublas = _types.ModuleType("cupy.cuda.cublas")


class MemoryPointer:
    def __init__(self, ptr):
        self.ptr = ptr


class Device:
    compute_capability = "90"

    def __init__(self, device=None):
        self.id = 0 if device is None else int(device)

    def __int__(self):
        return self.id

    def __enter__(self):
        return self

    def __exit__(self, *args):
        pass

    def use(self):
        if self.id:
            raise _CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def synchronize(self):
        _counts.synchronize("Device.synchronize")

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    __hash__ = None


class Event:
    done = True

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self._at = None

    def record(self, stream=None):
        self._at = _time.perf_counter()

    def synchronize(self):
        _counts.synchronize("Event.synchronize")


def get_elapsed_time(start_event, end_event):
    return 1000 * (end_event._at - start_event._at)


class Stream:
    def __init__(self, null=False, non_blocking=False, ptds=False):
        self.ptr = 0

    def __enter__(self):
        return self

    def __exit__(self, *args):
        pass

    def synchronize(self):
        _counts.synchronize("Stream.synchronize")

    def record(self, event=None):
        event = event or Event()
        event.record(self)
        return event


Stream.null = Stream(null=True)


def get_current_stream(device_id=-1):
    return Stream.null


def get_device_id():
    return 0


def is_available():
    return True
