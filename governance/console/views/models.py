"""Models and prices."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from governance.catalog.books import MANUAL
from governance.catalog.operations import set_prices
from governance.console.forms.prices import PricesForm
from governance.console.pages.models import model_lines, model_page, present_prices
from governance.console.viewer import for_viewer
from governance.core.clock import utc_now
from governance.core.errors import BursarError
from governance.viewing.viewer import Viewer


@require_safe
@for_viewer
def index(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the models on offer, or the whole catalogue."""
    search = request.GET.get("q", "").strip()
    is_whole = request.GET.get("show") == "catalogue"
    lines = model_lines(viewer=viewer, search=search, is_whole_catalogue=is_whole, now=utc_now())
    context = {"lines": lines, "viewer": viewer, "search": search, "is_whole": is_whole}
    return render(request, "console/models.html", context)


@require_safe
@for_viewer
def show(request: HttpRequest, viewer: Viewer, model_id: int) -> HttpResponse:
    """Show one model with its price history."""
    page = model_page(viewer=viewer, model_id=model_id, now=utc_now())
    if page is None:
        raise Http404
    return render(request, "console/model.html", {"page": page, "viewer": viewer})


@require_http_methods(["GET", "POST"])
@for_viewer
def price(request: HttpRequest, viewer: Viewer, model_id: int) -> HttpResponse:
    """Set what a model costs from now or from a day to come on."""
    if not viewer.may_change_catalogue:
        raise PermissionDenied(
            "Prices are the whole installation's: an administrator sets them where there is one organisation, and the "
            "operator elsewhere, with the command bursar models."
        )
    now = utc_now()
    page = model_page(viewer=viewer, model_id=model_id, now=now)
    if page is None:
        raise Http404
    model = page.line.model
    form = PricesForm(request.POST if request.method == "POST" else None, present=present_prices(model, now=now))
    if request.method == "POST" and form.is_valid():
        try:
            set_prices(
                actor=viewer.actor,
                at=now,
                model_id=model_id,
                prices=form.prices(),
                effective_from=form.effective_from(now=now),
                is_confirmed=form.cleaned_data["is_confirmed"],
            )
        except BursarError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, f"The prices of {model.name} are set; what was called before keeps its own.")
            return redirect("model", model_id=model_id)
    imported = page.book if page.book and page.book != MANUAL else ""
    context = {"form": form, "model": model, "imported": imported, "viewer": viewer}
    return render(request, "console/model_price.html", context)
