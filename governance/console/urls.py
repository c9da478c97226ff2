"""The console's addresses."""

from django.urls import URLPattern, URLResolver, include, path

from governance.console.views import budgets, increases, keys, limits, models, overview, requests, statements, teams

urlpatterns: list[URLPattern | URLResolver] = [
    path("", overview.show, name="overview"),
    path("overview/figures/", overview.figures, name="overview_figures"),
    path("requests/", requests.index, name="requests"),
    path("requests/<uuid:attempt_id>/", requests.show, name="request"),
    path("requests/<uuid:attempt_id>/settle/", requests.settle, name="request_settle"),
    path("requests/<uuid:attempt_id>/prompt/", requests.prompt, name="request_prompt"),
    path("budgets/", budgets.index, name="budgets"),
    path("budgets/new/", budgets.create, name="budget_create"),
    path("budgets/<int:budget_id>/", budgets.show, name="budget"),
    path("budgets/<int:budget_id>/limit/", budgets.change_limit, name="budget_limit"),
    path("budgets/<int:budget_id>/retire/", budgets.retire, name="budget_retire"),
    path("budgets/<int:budget_id>/increase/", increases.give, name="budget_increase"),
    path(
        "budgets/<int:budget_id>/increases/<int:increase_id>/withdraw/",
        increases.withdraw,
        name="budget_increase_withdraw",
    ),
    path("budgets/<int:budget_id>/ask/", increases.ask, name="budget_ask"),
    path("budgets/requests/<int:request_id>/", increases.decide, name="budget_request"),
    path("budgets/requests/<int:request_id>/withdraw/", increases.take_back, name="budget_request_withdraw"),
    path("limits/", limits.index, name="rate_limits"),
    path("limits/new/", limits.create, name="rate_limit_create"),
    path("limits/<int:limit_id>/amount/", limits.change_amount, name="rate_limit_amount"),
    path("limits/<int:limit_id>/retire/", limits.retire, name="rate_limit_retire"),
    path("teams/", teams.index, name="teams"),
    path("teams/<int:team_id>/", teams.show, name="team"),
    path("teams/<int:team_id>/regions/", teams.change, {"what": "regions"}, name="team_regions"),
    path("teams/<int:team_id>/guard/", teams.change, {"what": "guard"}, name="team_guard"),
    path("teams/<int:team_id>/cache/", teams.change, {"what": "cache"}, name="team_cache"),
    path("teams/<int:team_id>/prompts/", teams.change, {"what": "prompts"}, name="team_prompts"),
    path("keys/", keys.index, name="keys"),
    path("keys/new/", keys.issue, name="key_issue"),
    path("keys/<int:key_id>/", keys.show, name="key"),
    path("keys/<int:key_id>/rotate/", keys.rotate, name="key_rotate"),
    path("keys/<int:key_id>/revoke/", keys.revoke, name="key_revoke"),
    path("models/", models.index, name="models"),
    path("models/<int:model_id>/", models.show, name="model"),
    path("statements/", statements.index, name="statements"),
    path("statements/<int:statement_id>/download/", statements.download, name="statement_download"),
    path("account/", include("allauth.urls")),
]
