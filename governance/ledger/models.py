"""The truth about money: usage records, and balanced postings. Rows are added, never changed."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from governance.audit.append_only import append_only
from governance.catalog.models import Deployment, LanguageModel
from governance.connections.models import Connection
from governance.keys.models import VirtualKey
from governance.teams.models import BusinessUnit, CostCentre, Organisation, Team, User


class AccountingPeriod(models.Model):
    """One month of one organisation's books. No row means open; facts for a closed month go to the next open one."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT)
    month = models.DateField(help_text="The first day of the month.")
    closed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "month"], name="a_month_is_closed_once"),
            models.CheckConstraint(condition=models.Q(month__day=1), name="a_month_is_its_first_day"),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class LedgerAccount(models.Model):
    """One account of the double-entry ledger. Debits are positive, credits negative; in nano-USD."""

    class Kind(models.TextChoices):
        PROVIDER_PAYABLE = "provider_payable"
        COST_CENTRE_EXPENSE = "cost_centre_expense"
        ROUNDING = "rounding"
        ADJUSTMENTS = "adjustments"
        UNALLOCATED = "unallocated"
        CREDITS = "credits"

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT)
    kind = models.TextField(choices=Kind.choices)
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, null=True)
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "kind", "cost_centre", "connection"],
                name="a_ledger_account_is_unique",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return self.kind


class Entry(models.Model):
    """A balanced set of postings: the database refuses one whose postings do not sum to zero at commit."""

    class Kind(models.TextChoices):
        USAGE = "usage"
        RERATE = "rerate"
        TRUE_UP = "true_up"
        ALLOCATION = "allocation"
        CREDIT = "credit"
        CORRECTION = "correction"

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT)
    kind = models.TextField(choices=Kind.choices)
    month = models.DateField(help_text="The accounting month it is booked in: its first day.")
    reason = models.TextField(default="")
    corrects = models.ForeignKey("self", on_delete=models.PROTECT, null=True)
    epoch = models.BigIntegerField(null=True)
    flush_sequence = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["organisation", "month"], name="entries_by_month")]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(kind="rerate") | (models.Q(corrects__isnull=False) & ~models.Q(reason="")),
                name="a_rerate_says_what_it_corrects_and_why",
            )
        ]
        triggers = [append_only("entry_is_append_only")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Posting(models.Model):
    """One amount on one account, in nano-USD."""

    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="postings")
    account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="postings")
    amount_nano = models.BigIntegerField()

    class Meta:
        triggers = [append_only("posting_is_append_only")]

    def __str__(self) -> str:
        return f"{self.amount_nano} on {self.account_id}"


class UsageRecord(models.Model):
    """One attempt at a vendor, one revision. The table is partitioned by day of admission (migration 0002).

    Token counts follow `governance.plugin.Usage`. `cost_nano` is exact; `charge_nano` is its ceiling. The arrays
    `classes`, `quantities`, `price_ids`, `costs_nano` run in parallel: one element per rated line. `account_ids` are
    the budget accounts on its path, each of which was charged `charge_nano`.

    Revision 1 is what the gateway booked. Every later one carries the difference to what stood before it (tokens, times
    and the reservation are 0 there), so that a sum over all revisions is right; count attempts by `revision = 1`.
    """

    pk = models.CompositePrimaryKey("attempt_id", "revision", "admitted_at")
    attempt_id = models.UUIDField()
    revision = models.SmallIntegerField()
    admitted_at = models.DateTimeField()
    settled_at = models.DateTimeField()
    request_id = models.UUIDField()
    entry = models.ForeignKey(
        Entry, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="records"
    )
    epoch = models.BigIntegerField()
    organisation = models.ForeignKey(Organisation, on_delete=models.DO_NOTHING, db_constraint=False)
    unit = models.ForeignKey(BusinessUnit, on_delete=models.DO_NOTHING, db_constraint=False)
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.DO_NOTHING, db_constraint=False)
    team = models.ForeignKey(Team, on_delete=models.DO_NOTHING, db_constraint=False)
    key = models.ForeignKey(VirtualKey, on_delete=models.DO_NOTHING, db_constraint=False)
    user = models.ForeignKey(User, on_delete=models.DO_NOTHING, db_constraint=False, null=True)
    model = models.ForeignKey(LanguageModel, on_delete=models.DO_NOTHING, db_constraint=False)
    deployment = models.ForeignKey(Deployment, on_delete=models.DO_NOTHING, db_constraint=False)
    connection = models.ForeignKey(Connection, on_delete=models.DO_NOTHING, db_constraint=False)
    alias = models.TextField()
    wire = models.TextField()
    served_model = models.TextField(null=True)
    service_tier = models.TextField()
    is_stream = models.BooleanField()
    is_estimated = models.BooleanField()
    outcome = models.TextField()
    http_status = models.SmallIntegerField()
    input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    classes = ArrayField(models.TextField())
    quantities = ArrayField(models.BigIntegerField())
    price_ids = ArrayField(models.BigIntegerField(null=True))
    costs_nano = ArrayField(models.DecimalField(max_digits=60, decimal_places=18))
    cost_nano = models.DecimalField(max_digits=60, decimal_places=18)
    charge_nano = models.BigIntegerField()
    reserved_nano = models.BigIntegerField()
    vendor_cost_nano = models.DecimalField(max_digits=60, decimal_places=18, null=True)
    rating_rule = models.SmallIntegerField()
    account_ids = ArrayField(models.BigIntegerField())
    tags = models.JSONField(default=dict)
    raw_usage = models.JSONField(null=True)
    first_byte_milliseconds = models.IntegerField(null=True)
    total_milliseconds = models.IntegerField()

    class Meta:
        managed = False
        db_table = "ledger_usagerecord"
        ordering = ["-admitted_at"]

    def __str__(self) -> str:
        return f"{self.attempt_id} revision {self.revision}"


class DetachedDay(models.Model):
    """A day (UTC) of usage records that was taken out of the books' table, and what tells whether it comes back whole.

    `digest` is that of its sums below, which stand for the records until the day is attached again. Written by
    `ledger_detach_day` alone (migration 0004), as the sums are.
    """

    day = models.DateField()
    detached_at = models.DateTimeField()
    records = models.BigIntegerField()
    fingerprint = models.DecimalField(max_digits=60, decimal_places=0)
    digest = models.TextField()

    class Meta:
        managed = False
        db_table = "ledger_detachedday"

    def __str__(self) -> str:
        return f"{self.day}"


class ReattachedDay(models.Model):
    """The end of a detachment: its sums count no more, the records do again."""

    detachment = models.OneToOneField(DetachedDay, on_delete=models.DO_NOTHING, primary_key=True, related_name="end")
    attached_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "ledger_reattachedday"

    def __str__(self) -> str:
        return f"{self.detachment_id}"


class DayAccountSum(models.Model):
    """What the records of a detached day charged to one budget account."""

    pk = models.CompositePrimaryKey("detachment_id", "account_id")
    detachment = models.ForeignKey(DetachedDay, on_delete=models.DO_NOTHING, related_name="account_sums")
    account_id = models.BigIntegerField()
    charge_nano = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "ledger_dayaccountsum"

    def __str__(self) -> str:
        return f"{self.charge_nano} on {self.account_id}"


class DayEntrySum(models.Model):
    """What the records of a detached day add to one entry: its postings follow from it."""

    pk = models.CompositePrimaryKey("detachment_id", "entry_id", "organisation_id", "cost_centre_id", "connection_id")
    detachment = models.ForeignKey(DetachedDay, on_delete=models.DO_NOTHING, related_name="entry_sums")
    entry_id = models.BigIntegerField()
    organisation_id = models.BigIntegerField()
    cost_centre_id = models.BigIntegerField()
    connection_id = models.BigIntegerField()
    records = models.BigIntegerField()
    charge_nano = models.BigIntegerField()
    cost_nano = models.DecimalField(max_digits=60, decimal_places=18)

    class Meta:
        managed = False
        db_table = "ledger_dayentrysum"

    def __str__(self) -> str:
        return f"{self.charge_nano} in {self.entry_id}"


class DayUsageSum(models.Model):
    """What one key used of one model on a detached day, by the month it was booked in. The arrays run in parallel.

    `is_correction`: the sum of revisions above 1. Of the others, `records` are calls.
    """

    pk = models.CompositePrimaryKey(
        "detachment_id",
        "organisation_id",
        "cost_centre_id",
        "month",
        "team_id",
        "key_id",
        "model_id",
        "is_correction",
    )
    detachment = models.ForeignKey(DetachedDay, on_delete=models.DO_NOTHING, related_name="usage_sums")
    organisation_id = models.BigIntegerField()
    cost_centre_id = models.BigIntegerField()
    month = models.DateField()
    team_id = models.BigIntegerField()
    key_id = models.BigIntegerField()
    model_id = models.BigIntegerField()
    is_correction = models.BooleanField()
    records = models.BigIntegerField()
    input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    classes = ArrayField(models.TextField())
    quantities = ArrayField(models.BigIntegerField())
    costs_nano = ArrayField(models.DecimalField(max_digits=60, decimal_places=18))
    cost_nano = models.DecimalField(max_digits=60, decimal_places=18)
    charge_nano = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "ledger_dayusagesum"

    def __str__(self) -> str:
        return f"{self.charge_nano} of {self.key_id}"
