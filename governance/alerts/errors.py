"""What can go wrong when recipients of alerts are changed.

BadRequest
├── NotifierUnknown        notifier_unknown        400    no installed plugin offers that channel
├── DestinationRefused     destination_refused     400    the channel cannot deliver there, or is not set up
└── ThresholdRefused       threshold_refused       400    the alarm's threshold is out of bounds
Conflict
└── RecipientExists        recipient_exists        409
NotFound
└── RecipientNotFound      recipient_not_found     404
"""

from governance.core.errors import BadRequest, Conflict, NotFound


class NotifierUnknown(BadRequest):
    """No installed plugin offers a channel of that name."""

    code = "notifier_unknown"


class DestinationRefused(BadRequest):
    """The channel cannot deliver to that destination, or lacks a setting."""

    code = "destination_refused"


class ThresholdRefused(BadRequest):
    """The threshold from which on an alarm goes off is out of bounds."""

    code = "threshold_refused"


class ChangesRefused(BadRequest):
    """What somebody is to be told of is written in no form that the trail has."""

    code = "changes_refused"


class RecipientExists(Conflict):
    """The organisation already tells this destination through this channel."""

    code = "recipient_exists"


class RecipientNotFound(NotFound):
    """The organisation has no such recipient."""

    code = "recipient_not_found"
