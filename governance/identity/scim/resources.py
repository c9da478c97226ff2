"""What is served: people and groups with the attributes that are kept, and the description of the service."""

from typing import Annotated, Any

from scim2_models import (
    URN,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    ETag,
    Filter,
    Group,
    Meta,
    Mutability,
    Patch,
    Required,
    Resource,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)
from scim2_models.resources.group import GroupMember

from governance.identity.addresses import absolute
from governance.identity.models import ScimGroup, ScimPerson
from governance.teams.models import User

MOST_RESULTS = 200
BASE = "/scim/v2"

# Directories send more than is kept (telephones, titles, extensions): it is accepted and dropped. Entra removes members
# by value and addresses entries that are not there yet.
POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)


class Name(ComplexAttribute):
    """Somebody's name."""

    formatted: str | None = None
    family_name: str | None = None
    given_name: str | None = None


class Email(ComplexAttribute):
    """An address of somebody."""

    value: str | None = None
    type: str | None = None
    primary: bool | None = None


class GroupMembership(ComplexAttribute):
    """A group that somebody is in."""

    value: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    display: Annotated[str | None, Mutability.read_only] = None


class Person(Resource[Any]):
    """A person, as the core schema for users with what is kept of it."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    name: Name | None = None
    display_name: str | None = None
    active: bool | None = None
    emails: list[Email] | None = None
    groups: Annotated[list[GroupMembership] | None, Mutability.read_only] = None


CONFIG = ServiceProviderConfig(
    patch=Patch(supported=True),
    bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
    filter=Filter(supported=True, max_results=MOST_RESULTS),
    change_password=ChangePassword(supported=False),
    sort=Sort(supported=False),
    etag=ETag(supported=False),
    authentication_schemes=[
        AuthenticationScheme(
            type=AuthenticationScheme.Type.oauthbearertoken,
            name="Bearer token",
            description="A token that an administrator of Bursar issues under People, Provisioning.",
            primary=True,
        )
    ],
)
PROVIDER = ScimProvider(
    models=[Person, Group],
    config=CONFIG,
    policy=POLICY,
)


def person_resource(user: User, row: ScimPerson | None, groups: list[ScimGroup]) -> Person:
    """Return somebody as they are served; whoever was not provisioned is known by their address alone."""
    document = row.document if row is not None else {}
    with POLICY:
        person = Person.model_validate(document | {"schemas": [str(Person.__schema__)]})
    person.id = str(user.pk)
    person.user_name = row.user_name if row is not None else user.email
    person.external_id = (row.external_id if row is not None else "") or None
    person.active = user.is_active
    person.groups = [GroupMembership(value=str(group.pk), display=group.display_name) for group in groups] or None
    person.meta = Meta(
        resource_type="User",
        created=row.created_at if row is not None else user.date_joined,
        last_modified=row.changed_at if row is not None else user.date_joined,
        location=absolute(f"{BASE}/Users/{user.pk}"),
    )
    return person


def person_document(person: Person) -> dict[str, Any]:
    """Return what is kept of somebody beside the columns."""
    kept: dict[str, Any] = person.model_dump()
    return {name: kept[name] for name in ("name", "displayName", "emails") if name in kept}


def group_resource(group: ScimGroup, members: list[User]) -> Group:
    """Return a group as it is served."""
    served = [GroupMember(value=str(user.pk), ref=None, type="User", display=user.email) for user in members]
    return Group(
        id=str(group.pk),
        external_id=group.external_id or None,
        display_name=group.display_name,
        members=served or None,
        meta=Meta(
            resource_type="Group",
            created=group.created_at,
            last_modified=group.changed_at,
            location=absolute(f"{BASE}/Groups/{group.pk}"),
        ),
    )
