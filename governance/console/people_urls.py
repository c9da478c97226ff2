"""The addresses of people, invitations and how they log in."""

from django.urls import URLPattern, path

from governance.console.views import invitations, people, providers, provisioning

people_patterns: list[URLPattern] = [
    path("people/", people.index, name="people"),
    path("people/rules/", people.rules, name="sign_in_rules"),
    path("people/invite/", invitations.create, name="invitation_create"),
    path("people/invitations/<int:invitation_id>/renew/", invitations.renew, name="invitation_renew"),
    path("people/invitations/<int:invitation_id>/withdraw/", invitations.withdraw, name="invitation_withdraw"),
    path("people/<int:user_id>/", people.show, name="person"),
    path("people/<int:user_id>/rights/", people.rights, name="person_rights"),
    path("people/<int:user_id>/activity/", people.activity, name="person_activity"),
    path("people/<int:user_id>/log-out/", people.log_out, name="person_log_out"),
    path("people/<int:user_id>/second-factor/", people.second_factor, name="person_second_factor"),
    path("people/providers/", providers.index, name="identity_providers"),
    path("people/providers/new/<str:kind>/", providers.create, name="identity_provider_create"),
    path("people/providers/<int:provider_id>/", providers.change, name="identity_provider"),
    path("people/provisioning/", provisioning.index, name="provisioning"),
    path("people/provisioning/<int:token_id>/revoke/", provisioning.revoke, name="provisioning_revoke"),
    path("people/groups/new/", providers.add_group_rule, name="group_rule_create"),
    path("people/groups/<int:rule_id>/remove/", providers.remove_group_rule, name="group_rule_remove"),
    path("people/<int:user_id>/unlink/", people.unlink, name="person_unlink"),
    path("invitations/<str:token>/", invitations.accept, name="invitation_accept"),
]
