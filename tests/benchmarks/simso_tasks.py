"""Three periodic tasks in SimSo, run in an environment of its own; prints jobs per second."""

import time

from simso.configuration import Configuration
from simso.core import Model

configuration = Configuration()
configuration.duration = 10_000 * configuration.cycles_per_ms
for number in range(3):
    configuration.add_task(name=f"T{number}", identifier=number, period=1, activation_date=0, wcet=0.3, deadline=1)
configuration.add_processor(name="CPU", identifier=1)
configuration.scheduler_info.clas = "simso.schedulers.RM_mono"
configuration.check_all()
model = Model(configuration)
began = time.perf_counter()
model.run_model()
elapsed_s = time.perf_counter() - began
print(sum(len(task.jobs) for task in model.results.tasks.values()) / elapsed_s)
