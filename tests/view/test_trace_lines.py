from telling import plain

from sfnrun.view.line import Line
from sfnrun.view.trace import TraceLines


def lines(text) -> str:
    return "\n" + text.getvalue()


def test_states_are_told_when_they_end():
    trace, tell, text = plain()
    tell.event("ExecutionStarted", input={}, roleArn="r")
    tell.state("Pass", "Prepare")
    tell.state("Choice", "InStock?")
    tell.state("Task", "Reserve", after=12)
    tell.state("Wait", "CoolDown", after=90_000)
    tell.state("Succeed", "Done")
    tell.event("ExecutionSucceeded", output={})
    assert (
        lines(text)
        == """
  ✓ Prepare                       Pass
  ✓ InStock?                      Choice    → Reserve
  ✓ Reserve                       Task      12 ms
  ✓ CoolDown                      Wait      1 min 30 s
  ✓ Done                          Succeed
"""
    )
    assert (trace.states, trace.events, trace.timeline.status) == (5, 12, "SUCCEEDED")


def test_retries_say_their_delay_and_a_catch_where_it_goes():
    trace, tell, text = plain()
    tell.event("TaskStateEntered", name="Charge", input={})
    for attempt in (1, 2):
        tell.event("TaskFailed", error="Network", cause="no answer")
        tell.note("retry", "Charge", error="Network", attempt=attempt, max_attempts=2, delay_ms=attempt * 1500)
    tell.event("TaskFailed", after=4500, error="Declined", cause='{"errorMessage": "says the bank", "errorType": "D"}')
    tell.note("catch", "Charge", error="Declined", catcher=0, next="Refund")
    tell.event("TaskStateExited", name="Charge", output={})
    tell.state("Task", "Refund")
    assert (
        lines(text)
        == """
  ↻ Charge                        Task      retry 1 of 2 in 1.5 s · Network: no answer
  ↻ Charge                        Task      retry 2 of 2 in 3 s · Network: no answer
  ⤷ Charge                        Task      4.5 s, caught → Refund · Declined: says the bank
  ✓ Refund                        Task      <1 ms
"""
    )
    assert trace.retries == 2


def test_branches_and_items_are_labelled():
    _, tell, text = plain()
    tell.event("ParallelStateEntered", name="Both", input={})
    tell.event("ParallelStateStarted")
    tell.event("TaskStateEntered", "1.0", name="Left", input={})
    tell.event("MapStateEntered", "1.1", name="Each", input=[1, 2])
    tell.event("MapStateStarted", "1.1", length=2)
    for index in range(2):
        tell.event("MapIterationStarted", f"1.1/1.{index}", name="Each", index=index)
        tell.state("Pass", "Item", f"1.1/1.{index}")
        tell.event("MapIterationSucceeded", f"1.1/1.{index}", name="Each", index=index)
    tell.event("MapStateSucceeded", "1.1")
    tell.event("MapStateExited", "1.1", name="Each", output=[])
    tell.event("TaskStateExited", "1.0", after=5, name="Left", output={})
    tell.event("ParallelStateSucceeded")
    tell.event("ParallelStateExited", name="Both", output=[])
    assert (
        lines(text)
        == """
  ▾ Both                          Parallel
  1 ▾ Each                        Map       2 items
  1 [0] ✓ Item                    Pass
  1 [1] ✓ Item                    Pass
  1 ✓ Each                        Map
  0 ✓ Left                        Task      5 ms
  ✓ Both                          Parallel  5 ms
"""
    )


def test_a_big_map_is_counted_and_only_its_failures_are_told():
    trace, tell, text = plain()
    tell.event("ExecutionStarted", input={}, roleArn="r")
    tell.event("MapStateEntered", name="Many", input=[])
    tell.event("MapStateStarted", length=1000)
    for index in range(500):
        tell.event("MapIterationStarted", f"1.{index}", name="Many", index=index)
        tell.state("Choice", "Pick", f"1.{index}")
        tell.state("Task", "Work", f"1.{index}")
        tell.event("MapIterationSucceeded", f"1.{index}", name="Many", index=index)
    assert trace.timeline.open[""].done == 500
    tell.event("TaskStateEntered", "1.500", name="Work", input={})
    tell.event("TaskFailed", "1.500", error="Broken", cause="in two")
    tell.event("MapIterationFailed", "1.500", name="Many", index=500)
    tell.event("MapStateFailed")
    tell.event("ExecutionFailed", error="Broken", cause="in two")
    assert (
        lines(text)
        == """
  ▾ Many                          Map       1,000 items
  [500] ✗ Work                    Task      Broken: in two
  ✗ Many                          Map       Broken
"""
    )
    assert trace.timeline.origin.name == "Work"
    assert (trace.timeline.status, trace.timeline.error, trace.timeline.cause) == ("FAILED", "Broken", "in two")


def test_siblings_of_a_failure_are_aborted():
    trace, tell, text = plain()
    tell.event("ExecutionStarted", input={}, roleArn="r")
    tell.event("ParallelStateEntered", name="Both", input={})
    tell.event("ParallelStateStarted")
    tell.event("WaitStateEntered", "1.0", name="Sleep", input={})
    tell.event("FailStateEntered", "1.1", name="Break", input={})
    tell.event("WaitStateAborted", "1.0")
    tell.event("ParallelStateFailed")
    tell.event("ExecutionFailed", error="Broke")
    assert (
        lines(text)
        == """
  ▾ Both                          Parallel
  0 ⊘ Sleep                       Wait
  1 ✗ Break                       Fail
  ✗ Both                          Parallel  Broke
"""
    )
    assert trace.timeline.origin.name == "Break"


def test_the_state_that_a_cause_names_is_blamed():
    trace, tell, text = plain()
    cause = "An error occurred while executing the state 'Inner' (entered at the event id #5). Invalid path '$.x'"
    tell.event("ExecutionStarted", input={}, roleArn="r")
    tell.event("ParallelStateEntered", name="Both", input={})
    tell.event("ParallelStateStarted")
    tell.event("TaskStateEntered", "1.0", name="Other", input={})
    tell.event("PassStateEntered", "1.1", name="Inner", input={})
    tell.event("ExecutionFailed", error="States.Runtime", cause=cause)
    assert trace.timeline.origin.name == "Inner"
    assert "0 ⊘ Other " in text.getvalue()
    assert f"1 ✗ Inner                       Pass      States.Runtime: {cause}" in text.getvalue()
    assert "  ✗ Both                          Parallel  States.Runtime\n" in text.getvalue()


def test_a_retried_parallel_closes_its_branches_first():
    trace, tell, text = plain()
    tell.event("ParallelStateEntered", name="Both", input={})
    tell.event("ParallelStateStarted")
    tell.event("FailStateEntered", "1.0", name="Break", input={})
    tell.note("retry", "Both", error="Broke", attempt=1, max_attempts=3, delay_ms=0)
    tell.event("ParallelStateStarted")
    tell.state("Pass", "Fine", "2.0")
    tell.event("ParallelStateSucceeded")
    tell.event("ParallelStateExited", name="Both", output=[])
    assert (
        lines(text)
        == """
  ▾ Both                          Parallel
  0 ✗ Break                       Fail      Broke
  ↻ Both                          Parallel  retry 1 of 3 in 0 ms · Broke
  ▾ Both                          Parallel
  0 ✓ Fine                        Pass
  ✓ Both                          Parallel  1 retry
"""
    )
    assert trace.timeline.origin is None


def test_an_aborted_execution_has_no_failures():
    trace, tell, text = plain()
    tell.event("ExecutionStarted", input={}, roleArn="r")
    tell.event("WaitStateEntered", name="Sleep", input={})
    tell.event("ExecutionAborted")
    assert text.getvalue() == "  ⊘ Sleep                         Wait\n"
    assert (trace.timeline.status, trace.timeline.origin) == ("ABORTED", None)


def test_verbose_tells_what_changed():
    _, tell, text = plain(verbose=True)
    before = {"a": 1, "b": {"c": [1, 2]}, "gone": None}
    tell.event("PassStateEntered", name="Edit", input=before)
    tell.event(
        "PassStateExited", name="Edit", output={"a": 2, "b": {"c": [1, 3]}, "new": "x"}, assignedVariables={"v": 7}
    )
    tell.state("Pass", "Keep", input={"a": 1}, output={"a": 1})
    assert (
        lines(text)
        == """
  ✓ Edit                          Pass
    + $v = 7
    ~ $.a: 1 → 2
    ~ $.b.c[1]: 2 → 3
    + $.new: "x"
    - $.gone
  ✓ Keep                          Pass
"""
    )


def test_what_a_handler_prints_cannot_command_the_terminal():
    _, tell, text = plain()
    tell.event("TaskStateEntered", name="Print", input={})
    tell.note("log", "Print", text="red \x1b[31malert\x07\n")
    assert text.getvalue() == "    │ red \\x1b[31malert\\x07\n"


def test_a_cache_hit_is_said():
    trace, tell, text = plain()
    tell.event("TaskStateEntered", name="Ask", input={})
    tell.note("cache", "Ask", outcome="hit", age_ms=12_000, expires_in_ms=48_000, saved_ms=1300)
    tell.event("TaskStateExited", name="Ask", output={})
    assert "HIT age 12s, expires in 48s, saved 1.3 s" in text.getvalue()
    assert (trace.cache.hits, trace.cache.misses, trace.cache.saved_ms) == (1, 0, 1300)


def test_progress_is_offered_ten_times():
    said: list[Line] = []
    from telling import Teller

    tell = Teller(TraceLines(said.append))
    tell.event("MapStateEntered", name="Many", input=[])
    tell.event("MapStateStarted", length=100)
    for index in range(100):
        tell.event("MapIterationSucceeded", f"1.{index}", name="Many", index=index)
    assert [line.text for line in said if line.kind == "progress"][:2] == ["10 of 100 items", "20 of 100 items"]
    assert sum(line.kind == "progress" for line in said) == 9
