"""Answers that are kept, so that a request that is sent again changes nothing twice."""

from django.db import models
from django.db.models.functions import Now

from governance.tokens.models import Token


class KeptAnswer(models.Model):
    """The answer to a change with an Idempotency-Key, sealed with the token's secret; empty while it is being made.

    `request_digest` tells another request under the same key, `key_digest` stands for the key itself.
    """

    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="kept_answers")
    key_digest = models.BinaryField(max_length=32)
    request_digest = models.BinaryField(max_length=32)
    nonce = models.BinaryField(default=b"", db_default=b"")
    ciphertext = models.BinaryField(default=b"", db_default=b"")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "key_digest"], name="an_answer_is_kept_once")]
        indexes = [models.Index(fields=["created_at"], name="kept_answers_by_age")]

    def __str__(self) -> str:
        return f"answer {self.pk}"
