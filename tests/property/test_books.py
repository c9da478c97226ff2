"""The books' own SQL under any sequence of events: every invariant of money that a database can break, at every step.

The model beside it knows only what happened: grants, outcomes, what was given up, and by whose word. It never reads a
balance to work one out.
"""

from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from governance.audit.operations import Actor
from governance.audit.queries import first_broken_event
from governance.budgets import operations as budgets
from governance.budgets.models import Account
from governance.ledger.proof import prove_ledger
from governance.metering.models import DurableReservation, Lease, Worker
from governance.metering.proof import prove_accounts
from tests.support.finance_world import Call, FinanceWorld, make_world

ADA = Actor(name="ada@example.org")
LIMITS = (5_000, 900, 300)
AMOUNTS = st.integers(1, 400)
GRANT = "SELECT outcome, account_id, granted_nano FROM metering_grant(%s, %s, %s, %s, %s, %s, %s, %s)"
HOLD = "SELECT outcome FROM metering_hold_durably(%s::json, %s, %s::uuid[], %s, %s)"
SETTLE = "SELECT metering_settle_lines(%s, %s::json)"
FLUSH = "SELECT metering_flush(%s, %s, %s, %s::json, %s, %s, '[]')"
Row = dict[str, Any]


def ask(query: str, *arguments: object) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, arguments)
        return list(cursor.fetchall())


class Books(RuleBasedStateMachine):
    """Two processes, three accounts: the second is paid from for every call of the third, the first for all."""

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.world: FinanceWorld = make_world()
        self.key = self.world.key(self.world.team("Search", self.world.cost_centre("CC-1")))
        self.model = self.world.model("gpt-5")
        self.accounts = [self.world.account(f"a{number}", limit) for number, limit in enumerate(LIMITS)]
        self.epochs = [self._epoch(number) for number in (1, 2)]
        self.sequence: Counter[int] = Counter()
        self.flushed: list[tuple[object, ...]] = []
        self.open: list[tuple[int, UUID, int, int]] = []  # epoch, attempt, depth of the path, amount
        self.settled: Counter[int] = Counter()
        self.suspense: dict[UUID, tuple[int, int]] = {}
        self.jobs: dict[UUID, tuple[int, dict[str, tuple[UUID, int]]]] = {}  # depth, (attempt, amount) of each line
        self.ended_jobs: list[UUID] = []

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    def _epoch(self, number: int) -> int:
        return int(Worker.objects.create(host="here", process_id=number, lock_name=str(uuid4())).pk)

    def path(self, depth: int) -> list[Account]:
        return self.accounts[: depth + 1]

    def balances(self) -> list[tuple[int, int, int]]:
        rows = Account.objects.order_by("id").values_list("limit_nano", "settled_nano", "held_nano")
        return list(rows.filter(pk__in=[account.pk for account in self.accounts]))

    def row(self, attempt: UUID, depth: int, amount: int, *, charge: int | None) -> Row:
        lines = {"input": (1, str(charge))} if charge is not None else {}
        call = Call(self.key, self.model, lines, at=datetime.now(UTC), accounts=self.path(depth), held_nano=amount)
        made = self.world._attempt(call)
        made |= {"attempt_id": attempt, "leased_nano": amount, "ending": "suspense", "reason": "answer_lost"}
        if charge is not None:
            made |= self.world_outcome(call)
        return made

    def world_outcome(self, call: Call) -> Row:
        ((quantity, cost),) = call.lines.values()
        return {
            "ending": "settled", "reason": "completed", "http_status": 200, "served_model": "m",
            "service_tier": "standard", "is_estimated": False, "input_tokens": quantity, "output_tokens": 0,
            "classes": ["input"], "quantities": [quantity], "price_ids": [1], "costs_nano": [cost], "cost_nano": cost,
            "charge_nano": int(cost), "rating_rule": 1, "total_milliseconds": 1,
        }  # fmt: skip

    def flush(self, epoch: int, rows: list[Row], back: dict[int, int] | None = None) -> bool:
        self.sequence[epoch] += 1
        accounts = [account.pk for account in self.accounts]
        text = msgspec.json.encode(rows).decode()
        sent = (epoch, self.sequence[epoch], accounts, text, list(back or {}), list((back or {}).values()))
        ((at,),) = ask(FLUSH, *sent)
        self.flushed.append(sent)
        return at is not None

    @rule(who=st.integers(0, 1), depth=st.integers(0, 2), amount=AMOUNTS)
    def claim(self, who: int, depth: int, amount: int) -> None:
        """I1: whatever is granted, nothing goes beyond a limit. I19: whoever is refused lacked the money."""
        before = self.balances()
        path = [account.pk for account in self.path(depth)]
        same = [amount] * len(path)
        found = ask(GRANT, self.epochs[who], [0] * len(path), path, same, same, [0] * len(path), same, same)
        is_alive = Worker.objects.get(pk=self.epochs[who]).state == "alive"
        if found[0][0] == "granted":
            assert is_alive and len(found) == len(path)
            self.open.append((self.epochs[who], uuid4(), depth, amount))
            for limit, settled, held in self.balances()[: depth + 1]:
                assert settled + held <= limit
            return
        assert self.balances() == before
        if found[0][0] == "fenced":
            assert not is_alive
            return
        lacking = [limit - settled - held < amount for limit, settled, held in before[: depth + 1]]
        assert any(lacking)
        assert (found[0][0] == "exceeded") == any(limit - settled < amount for limit, settled, _ in before[: depth + 1])

    @precondition(lambda self: self.open)
    @rule(data=st.data(), charge=st.integers(0, 600) | st.none())
    def outcome(self, data: st.DataObject, charge: int | None) -> None:
        """I6, I7: each account of the path gets the whole amount, once. I10: a fenced epoch changes nothing."""
        number = data.draw(st.integers(0, len(self.open) - 1))
        epoch, attempt, depth, amount = self.open[number]
        before = self.balances()
        row = self.row(attempt, depth, amount, charge=charge)
        # What is left over of a settled attempt goes back at once, as in exact mode.
        left = 0 if charge is None else max(0, amount - charge)
        if not self.flush(epoch, [row], {account.pk: left for account in self.path(depth)} if left else None):
            assert self.balances() == before
            return
        self.open.pop(number)
        if charge is None:
            self.suspense[attempt] = (depth, amount)
        else:
            self.settled.update(dict.fromkeys(range(depth + 1), charge))

    @precondition(lambda self: self.flushed)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """I12: a flush that is sent again changes nothing."""
        before = self.balances()
        ask(FLUSH, *data.draw(st.sampled_from(self.flushed)))
        assert self.balances() == before

    @rule(who=st.integers(0, 1))
    def fence(self, who: int) -> None:
        """Silence frees nothing."""
        before = self.balances()
        Worker.objects.filter(pk=self.epochs[who], state="alive").update(state="fenced")
        assert self.balances() == before

    @rule(who=st.integers(0, 1), forgets=st.booleans())
    def recover(self, who: int, forgets: bool) -> None:
        """I12, too: recovery may run twice. What the journal knows to be unknown stays held."""
        epoch = self.epochs[who]
        mine = [each for each in self.open if each[0] == epoch]
        rows = [self.row(attempt, depth, amount, charge=None) for _, attempt, depth, amount in mine]
        text = msgspec.json.encode(rows).decode()
        ((unknown,),) = ask("SELECT metering_recover(%s, %s::json)", epoch, text)
        assert unknown == len(mine)
        before = self.balances()
        assert ask("SELECT metering_recover(%s, %s::json)", epoch, text) == [(0,)]
        assert self.balances() == before
        self.suspense |= {attempt: (depth, amount) for _, attempt, depth, amount in mine}
        self.open = [each for each in self.open if each[0] != epoch]
        self.epochs[who] = self._epoch(who)

    @rule(depth=st.integers(0, 2), amounts=st.lists(st.integers(0, 200), min_size=1, max_size=4))
    def hold_durably(self, depth: int, amounts: list[int]) -> None:
        """I1 and I19 for a whole job: all of its lines, or none."""
        before = self.balances()
        job, path = uuid4(), [account.pk for account in self.path(depth)]
        lines = {f"line-{number}": (uuid4(), amount) for number, amount in enumerate(amounts)}
        described = self.row(job, depth, 0, charge=None) | {"id": job}
        attempts = [attempt for attempt, _ in lines.values()]
        sent = (msgspec.json.encode(described).decode(), path, attempts, list(lines), amounts)
        ((outcome,),) = ask(HOLD, *sent)
        lacking = [limit - settled - held < sum(amounts) for limit, settled, held in before[: depth + 1]]
        assert (outcome == "granted") == (not any(lacking))
        if outcome == "granted":
            assert ask(HOLD, *sent) == [("granted",)]
            self.jobs[job] = depth, lines
        else:
            assert self.balances() == before
            assert not DurableReservation.objects.filter(pk=job).exists()

    @precondition(lambda self: any(lines for _, lines in self.jobs.values()))
    @rule(data=st.data())
    def settle_lines(self, data: st.DataObject) -> None:
        """I6, I12: any of a job's lines, in any order and number of times, each counts once."""
        job = data.draw(st.sampled_from([job for job, (_, lines) in self.jobs.items() if lines]))
        depth, lines = self.jobs[job]
        names = data.draw(st.lists(st.sampled_from(sorted(lines)), min_size=1, max_size=4))
        endings = {name: data.draw(st.integers(0, 300) | st.sampled_from(["suspense", "released"])) for name in names}
        rows = [self.ended(depth, endings[name]) | {"name": name} for name in names]
        text = msgspec.json.encode([*rows, rows[0] | {"name": "of nobody"}]).decode()
        assert ask(SETTLE, job, text) == [(len(endings),)]
        assert ask(SETTLE, job, text) == [(0,)]
        for name, ending in endings.items():
            attempt, amount = lines.pop(name)
            if ending == "suspense":
                self.suspense[attempt] = (depth, amount)
            elif isinstance(ending, int):
                self.settled.update(dict.fromkeys(range(depth + 1), ending))

    def ended(self, depth: int, ending: int | str) -> Row:
        row = self.row(uuid4(), depth, 1, charge=ending if isinstance(ending, int) else None)
        return row if isinstance(ending, int) else row | {"ending": ending}

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), ending=st.sampled_from(["suspense", "released"]))
    def end_job(self, data: st.DataObject, ending: str) -> None:
        """What nobody reported stays held as one attempt; what is proved to be free goes back."""
        job = data.draw(st.sampled_from(list(self.jobs)))
        depth, lines = self.jobs.pop(job)
        rest = sum(amount for _, amount in lines.values())
        text = msgspec.json.encode({"ending": ending, "reason": "lines_missing"}).decode()
        assert ask("SELECT metering_end_durable(%s, %s::jsonb)", job, text) == [(rest,)]
        assert ask("SELECT metering_end_durable(%s, %s::jsonb)", job, text) == [(None,)]
        if ending == "suspense" and rest:
            self.suspense[job] = (depth, rest)
        self.ended_jobs.append(job)

    @precondition(lambda self: self.ended_jobs)
    @rule(data=st.data())
    def settle_too_late(self, data: st.DataObject) -> None:
        """Nothing is booked on a job that has ended."""
        before = self.balances()
        row = self.ended(0, 5) | {"name": "line-0"}
        assert ask(SETTLE, data.draw(st.sampled_from(self.ended_jobs)), msgspec.json.encode([row]).decode()) == [(0,)]
        assert self.balances() == before

    @precondition(lambda self: self.suspense)
    @rule(data=st.data(), charge=st.integers(0, 600))
    def resolve(self, data: st.DataObject, charge: int) -> None:
        attempt = data.draw(st.sampled_from(list(self.suspense)))
        depth, amount = self.suspense.pop(attempt)
        row = self.row(attempt, depth, amount, charge=charge)
        text = msgspec.json.encode(row).decode()
        assert ask("SELECT metering_resolve(%s, %s::jsonb)", attempt, text) == [(True,)]
        assert ask("SELECT metering_resolve(%s, %s::jsonb)", attempt, text) == [(False,)]
        self.settled.update(dict.fromkeys(range(depth + 1), charge))

    @rule(place=st.integers(0, 2), limit=st.integers(0, 6_000))
    def change_limit(self, place: int, limit: int) -> None:
        """I23: a limit may fall under what is spent and held; not a nano of either is lost."""
        before = self.balances()[place]
        budgets.change_limit(actor=ADA, budget_id=self.accounts[place].budget_id, limit_nano=limit)
        assert self.balances()[place] == (limit, *before[1:])

    @invariant()
    def balances_follow_from_what_happened(self) -> None:
        """I2, I3, I8, I15: held is leases, durable reservations and suspense, settled is records, and each level covers
        those below it.
        """
        held: Counter[int] = Counter()
        for depth, amount in self.suspense.values():
            held.update(dict.fromkeys(range(depth + 1), amount))
        for _, _, depth, amount in self.open:
            held.update(dict.fromkeys(range(depth + 1), amount))
        for depth, lines in self.jobs.values():
            held.update(dict.fromkeys(range(depth + 1), sum(amount for _, amount in lines.values())))
        found = self.balances()
        assert [(settled, hold) for _, settled, hold in found] == [
            (self.settled[place], held[place]) for place in range(3)
        ]
        assert found[0][1] >= found[1][1] >= found[2][1] >= 0
        assert not Lease.objects.filter(amount_nano__lt=0).exists()

    @invariant()
    def the_proof_is_clean(self) -> None:
        """The nightly proof finds nothing: postings, records, accounts, and the audit trail (I24) agree."""
        assert prove_ledger().failures == prove_accounts().failures == ()
        assert first_broken_event() is None


@pytest.mark.django_db
def test_no_sequence_of_events_breaks_the_books() -> None:
    run_state_machine_as_test(
        Books,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
