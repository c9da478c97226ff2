"""The addresses of SCIM."""

from django.urls import path

from governance.identity.scim import views

urlpatterns = [
    path("Users", views.users, name="scim_users"),
    path("Users/<str:resource_id>", views.user, name="scim_user"),
    path("Groups", views.all_groups, name="scim_groups"),
    path("Groups/<str:resource_id>", views.group, name="scim_group"),
    path("ServiceProviderConfig", views.config, name="scim_config"),
    path("Schemas", views.described, {"kind": "Schemas"}, name="scim_schemas"),
    path("Schemas/<str:resource_id>", views.described, {"kind": "Schemas"}, name="scim_schema"),
    path("ResourceTypes", views.described, {"kind": "ResourceTypes"}, name="scim_resource_types"),
    path("ResourceTypes/<str:resource_id>", views.described, {"kind": "ResourceTypes"}, name="scim_resource_type"),
    path("<path:rest>", views.nowhere, name="scim_nowhere"),
]
