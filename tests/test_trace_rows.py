"""What the trace has of a machine besides its switches: domains that come and go, their work, when a job was due."""

from coprocsim.hypervisor import domains
from tests.machines import MS, Machine, settings_of


def test_a_domain_s_coming_and_going_is_in_the_trace_with_its_name():
    machine = Machine()
    machine.coproc()
    guest = machine.domain("guest", "gpu0")
    machine.run(1 * MS)
    domains.pause(machine.board, guest)
    machine.run(2 * MS)
    domains.unpause(machine.board, guest)
    machine.run(3 * MS)
    domains.destroy(machine.board, guest)
    machine.hypervisor.settle()
    assert [(row[0] // MS, *row[3:]) for row in machine.rows("domain")] == [
        (0, 1, "created", "guest"),
        (1, 1, "paused", "guest"),
        (2, 1, "unpaused", "guest"),
        (3, 1, "destroyed", "guest"),
    ]


def test_work_that_is_given_and_taken_is_in_the_trace_as_it_is_typed():
    machine = Machine()
    machine.coproc()
    (vcoproc,) = machine.domain("guest", "gpu0").vcoprocs
    domains.give_work(machine.board, vcoproc, settings_of("kind=backlog,work=1ms"))
    domains.take_work(machine.board, vcoproc)
    assert [row[3:] for row in machine.rows("workload")] == [("d1v0", "kind=backlog,work=1ms"), ("d1v0", "none")]


def test_a_job_s_end_says_when_it_was_due():
    machine = Machine()
    machine.coproc()
    machine.domain("guest", "gpu0 kind=periodic,period=20ms,work=4ms,deadline=8ms")
    machine.run(10 * MS)
    # Released at 0, due 8 ms later.
    assert [row[-1] for row in machine.rows("job_end")] == [8 * MS]
