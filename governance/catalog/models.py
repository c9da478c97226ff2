"""Models, where they run, what clients call them, and what they cost when. All of it dated data, never code."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField, RangeBoundary, RangeOperators
from django.db import models
from django.db.models.functions import Now

from governance.catalog.lifecycle import Dates
from governance.connections.models import Connection
from governance.plugin.routing import FIXED_ORDER
from governance.teams.models import Organisation


class DateTimeRange(models.Func):
    """tstzrange(from, to), half-open."""

    function = "TSTZRANGE"
    output_field = DateTimeRangeField()


class LanguageModel(models.Model):
    """One model of one vendor. Limits in tokens; days in UTC, as `lifecycle.Dates` has them. `bounds` are the most
    that media can count as with it, by the names in `governance.plugin.media`.
    """

    provider = models.TextField()
    name = models.TextField(help_text="The vendor's own id.")
    title = models.TextField()
    context_tokens = models.BigIntegerField(null=True)
    max_output_tokens = models.BigIntegerField(null=True)
    announced_on = models.DateField(null=True)
    preview_on = models.DateField(null=True)
    released_on = models.DateField(null=True)
    deprecated_on = models.DateField(null=True)
    retires_on = models.DateField(null=True)
    successor = models.TextField(default="", blank=True)
    bounds = models.JSONField(default=dict, db_default={}, blank=True)
    source = models.TextField(default="manual")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["provider", "name"]
        constraints = [models.UniqueConstraint(fields=["provider", "name"], name="a_model_is_once_in_the_catalogue")]

    def __str__(self) -> str:
        return f"{self.provider}/{self.name}"

    @property
    def dates(self) -> Dates:
        """The days of its life."""
        return Dates(*(getattr(self, name) for name in Dates.__struct_fields__))


class Deployment(models.Model):
    """One model through one connection. `upstream_name` is what the vendor is asked for."""

    model = models.ForeignKey(LanguageModel, on_delete=models.PROTECT, related_name="deployments")
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="deployments")
    upstream_name = models.TextField()
    region = models.TextField(default="", blank=True)
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["model", "connection", "upstream_name"], name="a_deployment_is_unique_per_connection"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} through {self.connection}"


class ModelAlias(models.Model):
    """The name clients use. Its targets are tried in order of `position`, or as the strategy named `routing` says.

    A team or unit that has an own account among them is served through that alone, unless `leaves_own`: then the shared
    ones follow.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="aliases")
    name = models.TextField()
    routing = models.TextField(default=FIXED_ORDER, db_default=FIXED_ORDER)
    leaves_own = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["organisation", "name"], name="an_alias_name_is_unique")]

    def __str__(self) -> str:
        return self.name


class AccessGroup(models.Model):
    """A named set of alias patterns (globs): allowed together, or paid together from a budget.

    The table has the name of the room that owned it first, so that gateways of an older release can read it.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="access_groups")
    name = models.TextField()
    patterns = ArrayField(models.TextField())

    class Meta:
        db_table = "policy_accessgroup"
        constraints = [models.UniqueConstraint(fields=["organisation", "name"], name="an_access_group_name_is_unique")]

    def __str__(self) -> str:
        return self.name


class AliasTarget(models.Model):
    """One deployment behind an alias. `weight` is for the strategy of that name; 0 makes a spare."""

    alias = models.ForeignKey(ModelAlias, on_delete=models.CASCADE, related_name="targets")
    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="alias_targets")
    position = models.PositiveSmallIntegerField(default=0)
    weight = models.PositiveSmallIntegerField(default=1, db_default=1)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["alias", "position"], name="an_alias_position_is_unique")]

    def __str__(self) -> str:
        return f"{self.alias} -> {self.deployment}"


class PriceBook(models.Model):
    """Prices of one source. Where several books price a model, the lowest `rank` with any price of it decides."""

    name = models.TextField(unique=True)
    rank = models.PositiveSmallIntegerField(unique=True)
    source = models.TextField()
    snapshot_sha256 = models.TextField(default="", blank=True)
    as_of = models.DateField(null=True)
    imported_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["rank"]

    def __str__(self) -> str:
        return self.name


class Price(models.Model):
    """What one token (or call) of a class costs, in exact nano-USD, between two instants.

    Applies when the request's whole input is at least `from_input_tokens`, at `service_tier`. `hours` is the
    text of the hours at which it holds (hours.py), empty for all of them. `source` and `snapshot_sha256` say where it
    was read. A price is never edited: a change closes it and opens another.
    """

    book = models.ForeignKey(PriceBook, on_delete=models.PROTECT, related_name="prices")
    model = models.ForeignKey(LanguageModel, on_delete=models.PROTECT, related_name="prices")
    token_class = models.TextField()
    nano_per_unit = models.DecimalField(max_digits=40, decimal_places=18)
    from_input_tokens = models.BigIntegerField(default=0)
    service_tier = models.TextField(default="standard")
    effective_from = models.DateTimeField()
    effective_to = models.DateTimeField(null=True)
    hours = models.TextField(default="", db_default="", blank=True)
    source = models.TextField()
    snapshot_sha256 = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(nano_per_unit__gte=0), name="a_price_is_not_negative"),
            models.CheckConstraint(
                condition=models.Q(effective_to__isnull=True) | models.Q(effective_to__gt=models.F("effective_from")),
                name="a_price_ends_after_it_begins",
            ),
            ExclusionConstraint(
                name="prices_of_a_class_do_not_overlap",
                expressions=[
                    ("book", RangeOperators.EQUAL),
                    ("model", RangeOperators.EQUAL),
                    ("token_class", RangeOperators.EQUAL),
                    ("service_tier", RangeOperators.EQUAL),
                    ("from_input_tokens", RangeOperators.EQUAL),
                    ("hours", RangeOperators.EQUAL),
                    (DateTimeRange("effective_from", "effective_to", RangeBoundary()), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.token_class}: {self.nano_per_unit} nano-USD"
