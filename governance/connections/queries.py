"""Reading provider connections: never their credentials."""

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, QuerySet

from governance.connections.errors import ConnectionNotFound
from governance.connections.models import Connection, SealedCredential
from governance.teams.models import Organisation


def connection(*, connection_id: int, is_locked: bool = False) -> Connection:
    """Return the connection, locked for a change if asked. Raises ConnectionNotFound."""
    connections = Connection.objects.select_for_update(no_key=True) if is_locked else Connection.objects
    found = connections.filter(id=connection_id).first()
    if found is None:
        raise ConnectionNotFound(f"There is no provider connection with the id {connection_id}.")
    return found


def connection_named(*, organisation: Organisation, name: str) -> Connection:
    """Return the organisation's connection of this name. Raises ConnectionNotFound."""
    found = organisation.connections.filter(name=name).first()
    if found is None:
        names = ", ".join(repr(other.name) for other in organisation.connections.order_by("name")[:10]) or "none"
        raise ConnectionNotFound(f"{organisation} has no provider connection {name!r}. There is: {names}.")
    return found


def connections_of(*, organisation_id: int) -> QuerySet[Connection]:
    """Return the organisation's connections by name; `has_credential` says whether one is sealed."""
    sealed = Exists(SealedCredential.objects.filter(connection_id=OuterRef("pk")))
    return (
        Connection.objects.filter(organisation_id=organisation_id)
        .select_related("unit", "team")
        .annotate(has_credential=ExpressionWrapper(sealed, output_field=BooleanField()))
        .order_by("name")
    )
