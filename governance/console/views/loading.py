"""Many teams, keys or budgets at once, from a CSV file: checked first, then all of it or nothing."""

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from governance.console.forms.loading import LoadForm
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.core.csv_text import csv_bytes
from governance.core.errors import BursarError
from governance.policy.loading import KINDS, Load, Loaded, load_csv
from governance.policy.taking_out import can_be_taken_out, present_csv
from governance.viewing.viewer import Viewer


@require_http_methods(["GET", "POST"])
@for_viewer
def load(request: HttpRequest, viewer: Viewer, kind: str) -> HttpResponse:
    """Check a file and show what each line is; `apply` in the form makes the changes."""
    if kind not in KINDS:
        raise Http404
    if not (viewer.may_change_budgets if kind == "budgets" else viewer.may_administer):
        raise PermissionDenied(f"You may not load {kind} from a file. Ask an administrator of Bursar.")
    present = present_csv(organisation=viewer.organisation, kind=kind) if can_be_taken_out(kind) else None
    if present is not None and "download" in request.GET:
        headers = {"Content-Disposition": f'attachment; filename="{kind}.csv"'}
        return HttpResponse(present, content_type="text/csv; charset=utf-8", headers=headers)
    begun = {"text": present.decode()} if present is not None and "edit" in request.GET else None
    form = LoadForm(request.POST or None, request.FILES or None, initial=begun)
    context: dict[str, object] = {"form": form, "kind": kind, "columns": KINDS[kind], "viewer": viewer}
    context["has_present"] = present is not None
    if request.method == "POST" and form.is_valid():
        content = form.content()
        wanted = Load(
            organisation=viewer.organisation, kind=kind, content=content, pepper=settings.ENVIRONMENT.key_pepper
        )
        try:
            loaded = load_csv(actor=viewer.actor, at=utc_now(), load=wanted, is_dry_run="apply" not in request.POST)
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            context |= {"loaded": loaded, "text": content.decode("utf-8-sig"), "secrets": _secrets(loaded)}
    return render(request, "console/load.html", context)


def _secrets(loaded: Loaded) -> str:
    """Return the keys that were issued, as CSV; they are in this one answer and nowhere else."""
    rows = [(line.name, line.secret) for line in loaded.lines if line.secret]
    return csv_bytes(("name", "key"), rows).decode() if rows else ""
