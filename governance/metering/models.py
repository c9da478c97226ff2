"""Gateway processes, what is lent to them of budgets and rate limits, reservations that outlive them, and attempts
whose outcome nobody can prove.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now

from governance.budgets.models import Account
from governance.keys.models import VirtualKey
from governance.policy.models import RateLimit
from governance.teams.models import Organisation, Team, User


class Worker(models.Model):
    """One incarnation of a gateway process.

    alive: it may be granted leases and may flush. fenced: it was not seen for a while and may do neither, until it
    succeeds itself as another epoch. dead: nothing of it is left. lost: its journal is gone, and what its leases paid
    for cannot be proved; they stay held until somebody releases them by name. Epoch 0 is no process's: what comes of
    durable reservations is booked in its name.
    """

    class State(models.TextChoices):
        ALIVE = "alive"
        FENCED = "fenced"
        DEAD = "dead"
        LOST = "lost"

    epoch = models.BigAutoField(primary_key=True)
    host = models.TextField(help_text="The machine and folder of its lock: who sees that folder can prove it dead.")
    lock_name = models.TextField(help_text="The file it keeps locked while it lives.")
    process_id = models.IntegerField()
    state = models.TextField(choices=State.choices, default=State.ALIVE, db_default=State.ALIVE)
    last_sequence = models.BigIntegerField(default=0, db_default=0)
    started_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lock_name"], condition=~models.Q(state="dead"), name="a_lock_has_one_living_epoch"
            )
        ]

    def __str__(self) -> str:
        return f"epoch {self.epoch}"


class Lease(models.Model):
    """An allotment of one account to one epoch, in nano-USD: part of what the account holds."""

    epoch = models.ForeignKey(Worker, on_delete=models.PROTECT, db_column="epoch", related_name="leases")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="leases")
    amount_nano = models.BigIntegerField()
    used_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["epoch", "account"], name="an_epoch_has_one_lease_per_account"),
            models.CheckConstraint(condition=models.Q(amount_nano__gte=0), name="a_lease_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.amount_nano} of account {self.account_id} to epoch {self.epoch_id}"


class Attempt(models.Model):
    """An attempt in suspense: nobody can prove yet what it cost.

    `held_nano` stands as held on every account of `account_ids`, outside any lease. Resolving it deletes the row and
    writes a usage record. Attempts in flight are in their process's memory and journal, not here. Ids are plain
    numbers: they were read from the policy snapshot, and the row must be insertable whatever changed meanwhile.
    """

    id = models.UUIDField(primary_key=True)
    request_id = models.UUIDField()
    epoch = models.ForeignKey(Worker, on_delete=models.PROTECT, db_column="epoch", related_name="attempts")
    suspense_reason = models.TextField()
    admitted_at = models.DateTimeField()
    held_nano = models.BigIntegerField()
    account_ids = ArrayField(models.BigIntegerField())
    organisation_id = models.BigIntegerField()
    unit_id = models.BigIntegerField()
    cost_centre_id = models.BigIntegerField()
    team_id = models.BigIntegerField()
    key_id = models.BigIntegerField()
    user_id = models.BigIntegerField(null=True)
    model_id = models.BigIntegerField()
    deployment_id = models.BigIntegerField()
    connection_id = models.BigIntegerField()
    alias = models.TextField()
    wire = models.TextField()
    is_stream = models.BooleanField()
    tags = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["epoch"], name="attempts_by_epoch")]
        constraints = [models.CheckConstraint(condition=models.Q(held_nano__gte=0), name="a_hold_is_not_negative")]

    def __str__(self) -> str:
        return str(self.id)


class DurableReservation(models.Model):
    """The worst case of a whole job at a vendor, held in the database and owned by no process; changed by SQL alone.

    `held_nano` stands as held on every account of `account_ids`: the sum of its lines, each of which leaves with its
    outcome. Ids are plain numbers for the same reason as an attempt's.
    """

    id = models.UUIDField(primary_key=True)
    request_id = models.UUIDField()
    admitted_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    reserved_nano = models.BigIntegerField()
    held_nano = models.BigIntegerField()
    account_ids = ArrayField(models.BigIntegerField())
    organisation_id = models.BigIntegerField()
    unit_id = models.BigIntegerField()
    cost_centre_id = models.BigIntegerField()
    team_id = models.BigIntegerField()
    key_id = models.BigIntegerField()
    user_id = models.BigIntegerField(null=True)
    model_id = models.BigIntegerField()
    deployment_id = models.BigIntegerField()
    connection_id = models.BigIntegerField()
    alias = models.TextField()
    wire = models.TextField()
    tags = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(
                fields=["admitted_at"], condition=models.Q(ended_at__isnull=True), name="durable_reservations_open"
            )
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(held_nano__gte=0), name="a_durable_hold_is_not_negative"),
            models.CheckConstraint(
                condition=models.Q(ended_at__isnull=True) | models.Q(held_nano=0),
                name="an_ended_reservation_holds_nothing",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class DurableLine(models.Model):
    """One attempt of a durable reservation whose outcome is not known yet; `name` is what the vendor reports it by."""

    durable = models.ForeignKey(DurableReservation, on_delete=models.PROTECT, related_name="lines")
    attempt_id = models.UUIDField()
    name = models.TextField()
    reserved_nano = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["durable", "name"], name="a_line_has_a_name_of_its_own"),
            models.CheckConstraint(condition=models.Q(reserved_nano__gte=0), name="a_line_holds_nothing_negative"),
        ]

    def __str__(self) -> str:
        return f"line {self.name} of {self.durable_id}"


class Overrun(models.Model):
    """A settlement that was larger than its reservation: a broken bound, to be looked at by people."""

    attempt_id = models.UUIDField(primary_key=True)
    reserved_nano = models.BigIntegerField()
    charge_nano = models.BigIntegerField()
    found_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.attempt_id)


class Allowance(models.Model):
    """How much of a rate limit, or of one member's, was taken in the window that is named; changed by SQL alone.

    There is no reset: `taken` counts while that window is the current one. Where requests at the same time are counted,
    only the allotments say how many there are.
    """

    rate_limit = models.ForeignKey(RateLimit, on_delete=models.PROTECT, related_name="allowances")
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="rate_allowances")
    key = models.ForeignKey(VirtualKey, on_delete=models.PROTECT, null=True, blank=True, related_name="rate_allowances")
    window_starts_at = models.DateTimeField(null=True, blank=True)
    taken = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rate_limit", "user", "key"], nulls_distinct=False, name="a_member_has_one_allowance"
            ),
            models.CheckConstraint(
                condition=models.Q(user__isnull=True) | models.Q(key__isnull=True),
                name="an_allowance_is_of_one_member_at_most",
            ),
            models.CheckConstraint(condition=models.Q(taken__gte=0), name="what_is_taken_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.taken} taken of {self.rate_limit}"


class Allotment(models.Model):
    """One process at one allowance: when it last took something, and how many requests at once it may have running.

    `amount` is 0 where a window is counted. `sequence` numbers what the process said, so that nothing older is heard.
    """

    epoch = models.ForeignKey(Worker, on_delete=models.PROTECT, db_column="epoch", related_name="allotments")
    allowance = models.ForeignKey(Allowance, on_delete=models.PROTECT, related_name="allotments")
    amount = models.BigIntegerField()
    sequence = models.BigIntegerField()
    used_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["epoch", "allowance"], name="an_epoch_has_one_allotment_per_allowance"),
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="an_allotment_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} of allowance {self.allowance_id} to epoch {self.epoch_id}"


class Timeline(models.Model):
    """A timeline of PostgreSQL that the books have gone on; the last is the present. A fail-over begins another."""

    number = models.IntegerField()
    token = models.UUIDField(db_default=RandomUUID())
    taken_at = models.DateTimeField(db_default=Now())
    grants_from = models.DateTimeField(help_text="Before it nothing is granted: processes say what they hold.")

    def __str__(self) -> str:
        return f"timeline {self.number}"


class RefusalSum(models.Model):
    """How many requests of a key Bursar itself refused in an hour, for one reason; added to by SQL alone.

    No money hangs on it: a gateway process that is killed takes the last few seconds of its counts with it.
    """

    hour = models.DateTimeField(help_text="The hour's beginning.")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="+")
    key = models.ForeignKey(VirtualKey, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    code = models.TextField(help_text="The error's code.")
    requests = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hour", "key", "code"], name="refusals_are_summed_once_an_hour"),
            models.CheckConstraint(condition=models.Q(requests__gt=0), name="a_sum_of_refusals_is_positive"),
        ]
        indexes = [models.Index(fields=["organisation", "hour"], name="refusals_by_organisation")]

    def __str__(self) -> str:
        return f"{self.requests} x {self.code}"
