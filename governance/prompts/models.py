"""Which teams have their requests and replies stored, under which key of their own, and what is stored."""

from django.db import models
from django.db.models.functions import Now

from governance.teams.models import Team


class PromptStorage(models.Model):
    """A team that opted in. What is stored is sealed with its data key, which is itself sealed with the installation's;
    without this row nothing of the team's can be read any more, wherever a copy of it may be.
    """

    team = models.OneToOneField(Team, on_delete=models.CASCADE, primary_key=True, related_name="prompt_storage")
    days = models.PositiveSmallIntegerField()
    max_bytes = models.PositiveIntegerField(help_text="Of a request, and of a reply; what is longer is cut.")
    data_key_id = models.UUIDField()
    sealing_key = models.TextField(help_text="Which of the sealing keys: its id, never the key.")
    nonce = models.BinaryField(max_length=12)
    ciphertext = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(days__gt=0, max_bytes__gt=0), name="prompts_are_stored_for_some_days"
            )
        ]

    def __str__(self) -> str:
        return f"prompts of {self.team}"


class StoredPrompt(models.Model):
    """One request with its reply, sealed. The table is partitioned by day (migration 0002); gateways write it through
    `prompts_keep`, and only whole rows are ever removed.
    """

    pk = models.CompositePrimaryKey("request_id", "asked_at")
    request_id = models.UUIDField()
    asked_at = models.DateTimeField()
    organisation_id = models.BigIntegerField()
    team = models.ForeignKey(Team, on_delete=models.DO_NOTHING, db_constraint=False, related_name="stored_prompts")
    key_id = models.BigIntegerField()
    attempt_id = models.UUIDField(null=True)
    alias = models.TextField()
    wire = models.TextField()
    status = models.SmallIntegerField()
    is_cut = models.BooleanField()
    data_key_id = models.UUIDField()
    nonce = models.BinaryField()
    ciphertext = models.BinaryField()

    class Meta:
        managed = False
        db_table = "prompts_storedprompt"

    def __str__(self) -> str:
        return str(self.request_id)
