"""What a device's name means on machines with other devices than this one."""

import pytest

from yesrank.engine.openvino import load, open_engine
from yesrank.engine.openvino.devices import on_machine
from yesrank.errors import DeviceMissing
from yesrank.models.folder import builtin_folder

CPU, GPU, TWO = ("CPU",), ("CPU", "GPU"), ("CPU", "GPU.0", "GPU.1", "NPU")


@pytest.mark.parametrize(
    ("device", "known", "meant"),
    [
        ("cpu", CPU, "CPU"),
        ("GPU", GPU, "GPU"),
        ("GPU", TWO, "GPU"),
        ("GPU.1", TWO, "GPU.1"),
        ("AUTO", CPU, "CPU"),
        ("AUTO", GPU, "AUTO"),
        ("AUTO:GPU,CPU", CPU, "CPU"),
        ("auto:gpu,cpu", GPU, "AUTO:GPU,CPU"),
        ("AUTO:NPU,GPU,CPU", GPU, "AUTO:GPU,CPU"),
        ("AUTO:-GPU", GPU, "CPU"),
        ("AUTO:-GPU", TWO, "AUTO:-GPU"),
        ("MULTI:CPU", CPU, "MULTI:CPU"),
        ("HETERO:GPU.1(2),CPU", TWO, "HETERO:GPU.1(2),CPU"),
    ],
)
def test_what_a_name_means(device: str, known: tuple[str, ...], meant: str) -> None:
    assert on_machine(device, known) == meant


@pytest.mark.parametrize(
    ("device", "known", "missing"),
    [
        ("FOO", GPU, "FOO"),
        ("NPU", GPU, "NPU"),
        ("GPU.7", TWO, "GPU.7"),
        ("AUTO:GPU", CPU, "AUTO:GPU"),
        ("AUTO:GPU,NPU", CPU, "AUTO:GPU,NPU"),
        ("MULTI:GPU,CPU", CPU, "GPU"),
        ("HETERO:CPU,GPU", CPU, "GPU"),
    ],
)
def test_what_is_not_here(device: str, known: tuple[str, ...], missing: str) -> None:
    with pytest.raises(DeviceMissing, match="OpenVINO sees: CPU") as caught:
        on_machine(device, known)
    assert caught.value.device == missing


def test_auto_without_the_devices_before_it_is_the_cpu_with_its_fast_engine() -> None:
    engine = open_engine(builtin_folder(), device="AUTO:FOO,CPU")
    assert (engine.info.device, engine.info.engine) == ("CPU", "openvino-paged")
    engine.close()


class Core:
    """Stands in for OpenVINO on a machine whose devices know these properties."""

    def __init__(self, *known: str) -> None:
        self.known = known

    def get_property(self, device: str, name: str) -> tuple[str, ...]:
        assert name == "SUPPORTED_PROPERTIES"
        return self.known


@pytest.mark.parametrize(
    ("device", "arithmetic", "cache"),
    [("GPU", "bf16", "f16"), ("GPU.1", "f32", "f32"), ("CPU", "bf16", "bf16")],
)
def test_nothing_is_rounded_to_int8_unasked(device: str, arithmetic: str, cache: str) -> None:
    """Left to themselves GPUs without matrix units keep int8 keys and values, and round activations in groups of 32."""
    core = Core("KV_CACHE_PRECISION", "DYNAMIC_QUANTIZATION_GROUP_SIZE", "INFERENCE_PRECISION_HINT")
    options = load._options(core, device, arithmetic, 8, load._EXACT)
    assert options["KV_CACHE_PRECISION"] == cache
    assert options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] == 0


def test_a_device_is_told_only_what_it_knows() -> None:
    assert load._options(Core(), "NPU", "bf16", 8, load._EXACT) == {}
