"""SCIM over HTTP. One function for each address; errors of every kind leave in SCIM's own shape."""

import json
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from pydantic import ValidationError
from scim2_models import (
    Context,
    Error,
    Group,
    InvalidSyntaxException,
    ListResponse,
    NotFoundException,
    PatchOp,
    PayloadTooLargeException,
    Resource,
    ResponseParameters,
    SCIMException,
    SearchRequest,
)

from governance.audit.operations import Actor
from governance.core.clock import utc_now
from governance.core.errors import BursarError
from governance.identity.scim import groups, people
from governance.identity.scim.resources import CONFIG, MOST_RESULTS, POLICY, PROVIDER, Person
from governance.identity.scim.searching import Page
from governance.identity.scim.tokens import token_of
from governance.teams.models import Organisation, User

_TYPE = "application/scim+json"
_DEFAULT_COUNT = 100
_NOT_SUPPORTED = "This method is not served at this address."


class Caller:
    """The directory that asks."""

    def __init__(self, request: HttpRequest, organisation: Organisation, name: str) -> None:
        self.request = request
        self.organisation = organisation
        self.actor = Actor(name=f"SCIM: {name}", origin=request.META.get("REMOTE_ADDR", ""))

    def payload(self) -> Any:
        """Return the body. Raises InvalidSyntaxException, PayloadTooLargeException."""
        try:
            return json.loads(self.request.body)
        except RequestDataTooBig as error:
            raise PayloadTooLargeException(detail="The body is too large.") from error
        except (ValueError, RecursionError) as error:
            raise InvalidSyntaxException(detail="The body is no JSON.") from error

    def parameters(self, model: type[Resource[Any]]) -> Any:
        """Return which attributes are wanted."""
        named = {
            name: self.request.GET[name] for name in ("attributes", "excludedAttributes") if name in self.request.GET
        }
        bound: Any = ResponseParameters.__class_getitem__(model)
        return bound.model_validate(named)


Handler = Callable[..., HttpResponse]


def for_directory(*methods: str) -> Callable[[Handler], Handler]:
    """Let directories in by their token, in one transaction, and render what goes wrong."""

    def wrap(handler: Handler) -> Handler:
        @csrf_exempt
        @wraps(handler)
        def entered(request: HttpRequest, **arguments: str) -> HttpResponse:
            try:
                token = token_of(
                    header=request.headers.get("Authorization", ""),
                    at=utc_now(),
                    pepper=settings.ENVIRONMENT.key_pepper,
                )
                if token is None:
                    return _error(HTTPStatus.UNAUTHORIZED, "This token is none, or does not work any more.")
                if request.method not in methods:
                    return _error(HTTPStatus.METHOD_NOT_ALLOWED, _NOT_SUPPORTED)
                with POLICY, transaction.atomic():
                    return handler(Caller(request, token.organisation, token.name), **arguments)
            except SCIMException as error:
                return _answer(error.to_error().model_dump(), status=error.status)
            except ValidationError as error:
                first = Error.from_validation_errors(error)[0]
                return _answer(first.model_dump(), status=first.status or HTTPStatus.BAD_REQUEST)
            except BursarError as error:
                return _error(error.http_status, error.message)

        return entered

    return wrap


@for_directory("GET", "POST")
def users(caller: Caller) -> HttpResponse:
    """Search for people, or make somebody."""
    if caller.request.method == "GET":
        return _list(caller, Person, people.search_people)
    wish = Person.model_validate(caller.payload(), scim_ctx=Context.RESOURCE_CREATION_REQUEST)
    user = people.make_person(actor=caller.actor, at=utc_now(), organisation=caller.organisation, wish=wish)
    return _created(caller, _person(caller, user))


@for_directory("GET", "PUT", "PATCH", "DELETE")
def user(caller: Caller, resource_id: str) -> HttpResponse:
    """Read, change or remove somebody."""
    found = people.find_person(organisation=caller.organisation, user_id=resource_id)
    if caller.request.method == "DELETE":
        people.remove_person(actor=caller.actor, at=utc_now(), organisation=caller.organisation, user=found)
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    if caller.request.method != "GET":
        wish = _changed(caller, _person(caller, found))
        found = people.change_person(
            actor=caller.actor, at=utc_now(), organisation=caller.organisation, user=found, wish=wish
        )
    return _shown(caller, _person(caller, found))


@for_directory("GET", "POST")
def all_groups(caller: Caller) -> HttpResponse:
    """Search for groups, or make one."""
    if caller.request.method == "GET":
        return _list(caller, Group, groups.search_groups)
    wish = Group.model_validate(caller.payload(), scim_ctx=Context.RESOURCE_CREATION_REQUEST)
    made = groups.make_group(actor=caller.actor, at=utc_now(), organisation=caller.organisation, wish=wish)
    return _created(caller, groups.group_resources_of([made])[0])


@for_directory("GET", "PUT", "PATCH", "DELETE")
def group(caller: Caller, resource_id: str) -> HttpResponse:
    """Read, change or remove a group."""
    found = groups.find_group(organisation=caller.organisation, group_id=resource_id)
    if caller.request.method == "DELETE":
        groups.remove_group(actor=caller.actor, group=found)
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    if caller.request.method != "GET":
        wish = _changed(caller, groups.group_resources_of([found])[0])
        found = groups.change_group(
            actor=caller.actor, at=utc_now(), organisation=caller.organisation, group=found, wish=wish
        )
    return _shown(caller, groups.group_resources_of([found])[0])


@for_directory("GET")
def config(caller: Caller) -> HttpResponse:
    """Say what this service can do."""
    return _answer(CONFIG.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE))


@for_directory("GET")
def described(caller: Caller, kind: str, resource_id: str = "") -> HttpResponse:
    """Say which resources are served, and how they are made."""
    found: tuple[Resource[Any], ...] = PROVIDER.schemas if kind == "Schemas" else PROVIDER.resource_types
    if resource_id:
        named = next((each for each in found if each.id == resource_id), None)
        if named is None:
            raise NotFoundException(detail=f"There is no {resource_id}.")
        return _answer(named.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE))
    if "filter" in caller.request.GET:
        return _error(HTTPStatus.FORBIDDEN, "What is served is not filtered.")
    rows = [each.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE) for each in found]
    return _listed(rows, total=len(rows), start=1)


@for_directory("GET", "POST", "PUT", "PATCH", "DELETE")
def nowhere(caller: Caller, rest: str) -> HttpResponse:
    """Say that nothing is served here."""
    return _error(HTTPStatus.NOT_FOUND, f"Nothing is served at {rest}.")


def _person(caller: Caller, found: User) -> Person:
    return people.resources_of([found], organisation=caller.organisation)[0]


def _changed(caller: Caller, present: Any) -> Any:
    """Return what a resource is to become by PUT or PATCH."""
    model = type(present)
    if caller.request.method == "PUT":
        wish = model.model_validate(caller.payload(), scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST)
        wish.replace(present)
        return wish
    patch = PatchOp.__class_getitem__(model).model_validate(caller.payload(), scim_ctx=Context.RESOURCE_PATCH_REQUEST)
    patch.patch(present)
    return present


def _list(caller: Caller, model: type[Resource[Any]], search: Callable[..., tuple[int, list[Any]]]) -> HttpResponse:
    asked = {name: caller.request.GET[name] for name in ("filter", "startIndex", "count") if name in caller.request.GET}
    bound: Any = SearchRequest.__class_getitem__(model)
    wish = bound.model_validate(asked)
    start = max(1, wish.start_index or 1)
    count = min(MOST_RESULTS, max(0, wish.count if wish.count is not None else _DEFAULT_COUNT))
    total, found = search(organisation=caller.organisation, wanted=wish.filter, page=Page(start - 1, count))
    wanted = caller.parameters(model)
    dumped = [each.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=wanted) for each in found]
    return _listed(dumped, total=total, start=start)


def _shown(caller: Caller, resource: Any) -> HttpResponse:
    wanted = caller.parameters(type(resource))
    return _answer(resource.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=wanted))


def _created(caller: Caller, resource: Any) -> HttpResponse:
    wanted = caller.parameters(type(resource))
    answer = _answer(
        resource.model_dump(scim_ctx=Context.RESOURCE_CREATION_RESPONSE, response_parameters=wanted),
        status=HTTPStatus.CREATED,
    )
    answer.headers["Location"] = str(resource.meta.location)
    return answer


def _listed(rows: list[dict[str, Any]], *, total: int, start: int) -> HttpResponse:
    return _answer(
        {
            "schemas": [str(ListResponse.__schema__)],
            "totalResults": total,
            "startIndex": start,
            "itemsPerPage": len(rows),
            "Resources": rows,
        }
    )


def _error(status: int, detail: str) -> HttpResponse:
    answer = _answer(Error(status=int(status), detail=detail).model_dump(), status=status)
    if status == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="Bursar SCIM"'
    return answer


def _answer(content: dict[str, Any], *, status: int = HTTPStatus.OK) -> HttpResponse:
    return HttpResponse(json.dumps(content), status=int(status), content_type=_TYPE)
