"""Allow-lists: who may call what, the groups that lists name, and who decides about a call."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from governance.catalog import groups
from governance.catalog.models import AccessGroup
from governance.catalog.queries import groups_of
from governance.console.asked import asked_key
from governance.console.forms.allow_lists import GroupForm, PatternsForm, RuleForm, TryForm
from governance.console.forms.reason import ReasonForm
from governance.console.pages.allow_lists import access_groups, listed_levels, tried, whose
from governance.console.viewer import for_viewer
from governance.core.errors import BursarError
from governance.policy import operations
from governance.policy.queries import rules_of
from governance.viewing.viewer import Viewer


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the rules and groups; with `?alias=` also whether a caller may call it, and which rule decides."""
    if not viewer.access.may_see_settings(viewer.organisation.pk):
        raise PermissionDenied(
            "Only administrators and auditors see allow-lists. A refusal names the list that refused."
        )
    is_asked = "alias" in request.GET
    form = TryForm(request.GET if is_asked else None, viewer=viewer)
    context = {
        "levels": listed_levels(viewer=viewer),
        "groups": access_groups(viewer=viewer),
        "form": form,
        "tried": tried(viewer=viewer, **form.cleaned_data) if is_asked and form.is_valid() else None,
        "viewer": viewer,
    }
    return render(request, "console/allow_lists.html", context)


@require_http_methods(["GET", "POST"])
@for_viewer
def add_rule(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Add a rule to a list. `?key=ID` offers that key's list."""
    _refuse_readers(viewer)
    form = RuleForm(request.POST or None, viewer=viewer, key=asked_key(request, viewer))
    if request.method == "POST" and form.is_valid():
        group: AccessGroup | None = form.cleaned_data["group"]
        try:
            if group is not None:
                rule = operations.allow_group(actor=viewer.actor, level=form.level(), group_id=group.pk)
            else:
                rule = operations.allow(
                    actor=viewer.actor, level=form.level(), pattern=form.cleaned_data["pattern"].strip()
                )
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"{rule} is on the list of the {whose(rule)}.")
            return redirect("allow_lists")
    return render(request, "console/allow_rule_create.html", {"form": form, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def remove_rule(request: HttpRequest, viewer: Viewer, rule_id: int) -> HttpResponse:
    """Ask, then take a rule off its list; the last one lets everything through again."""
    _refuse_readers(viewer)
    rule = rules_of(organisation_id=viewer.organisation.pk).filter(pk=rule_id).first()
    if rule is None:
        raise Http404
    owner = whose(rule)
    if request.method == "POST":
        operations.remove(actor=viewer.actor, organisation_id=viewer.organisation.pk, rule_id=rule_id)
        messages.success(request, f"{rule} is off the list of the {owner}.")
        return redirect("allow_lists")
    context = {"rule": rule, "owner": owner, "is_last": not operations.siblings(rule).exists(), "viewer": viewer}
    return render(request, "console/allow_rule_remove.html", context)


@require_http_methods(["GET", "POST"])
@for_viewer
def create_group(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Make an access group."""
    _refuse_readers(viewer)
    form = GroupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            group = groups.create_group(
                actor=viewer.actor,
                organisation_id=viewer.organisation.pk,
                name=form.cleaned_data["name"],
                patterns=form.wanted(),
            )
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"The group {group.name} is made. Put it on a list to allow what it holds.")
            return redirect("allow_lists")
    return render(request, "console/access_group.html", {"form": form, "group": None, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def change_group(request: HttpRequest, viewer: Viewer, group_id: int) -> HttpResponse:
    """Change what a group holds, wherever it is named."""
    _refuse_readers(viewer)
    group = _group(viewer, group_id)
    form = PatternsForm(request.POST or None, initial={"patterns": "\n".join(group.patterns)})
    if request.method == "POST" and form.is_valid():
        try:
            groups.change_patterns(actor=viewer.actor, group_id=group_id, patterns=form.wanted())
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"The group {group.name} is changed, wherever it is named.")
            return redirect("allow_lists")
    return render(request, "console/access_group.html", {"form": form, "group": group, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def remove_group(request: HttpRequest, viewer: Viewer, group_id: int) -> HttpResponse:
    """Ask, then remove a group that nothing names."""
    _refuse_readers(viewer)
    group = _group(viewer, group_id)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            groups.remove_group(actor=viewer.actor, group_id=group_id, reason=form.cleaned_data["reason"])
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"The group {group.name} is removed.")
            return redirect("allow_lists")
    return render(request, "console/access_group_remove.html", {"form": form, "group": group, "viewer": viewer})


def _group(viewer: Viewer, group_id: int) -> AccessGroup:
    group = groups_of(organisation_id=viewer.organisation.pk).filter(pk=group_id).first()
    if group is None:
        raise Http404
    return group


def _refuse_readers(viewer: Viewer) -> None:
    if not viewer.may_administer:
        raise PermissionDenied("Only administrators change what may be called. Ask one of them.")
