"""The contracts, kept by every algorithm, driver and hardware model that coprocsim comes with."""

from typing import Any

import pytest

from coprocsim.hardware import MODELS
from coprocsim.hardware.base import Hardware
from coprocsim.model import CoprocSpec
from coprocsim.platforms import PLATFORMS
from coprocsim.platforms.base import Platform
from coprocsim.schedulers import ALGORITHMS
from coprocsim.schedulers.base import Scheduler
from tests.contracts.hardware import HardwareContract
from tests.contracts.platform import PlatformContract
from tests.contracts.scheduler import SchedulerContract
from tests.machines import described_for


class TestSchedulers(SchedulerContract):
    @pytest.fixture(params=list(ALGORITHMS.values()), ids=list(ALGORITHMS))
    def algorithm(self, request: Any) -> type[Scheduler]:
        algorithm: type[Scheduler] = request.param
        return algorithm


class TestPlatforms(PlatformContract):
    @pytest.fixture(params=list(PLATFORMS.values()), ids=list(PLATFORMS))
    def platform(self, request: Any) -> type[Platform]:
        platform: type[Platform] = request.param
        return platform


class TestHardware(HardwareContract):
    @pytest.fixture(params=list(MODELS.values()), ids=list(MODELS))
    def model(self, request: Any) -> type[Hardware]:
        model: type[Hardware] = request.param
        return model

    @pytest.fixture
    def described(self, model: type[Hardware]) -> CoprocSpec:
        return described_for(next(platform for platform in PLATFORMS.values() if platform.hardware == model.name))
