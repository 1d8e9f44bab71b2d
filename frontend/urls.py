"""Every address of the site."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from frontend.views import (
    accounts,
    audit,
    bundles,
    changes,
    declarations,
    devices,
    features,
    home,
    imports,
    jobs,
    machine_types,
    mails,
    rebasing,
    releases,
    search,
    trials,
)

RELEASE = "releases/<str:tree>/<str:version>/"
CHANGE = "changes/<int:pk>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("accounts/login/", accounts.login, name="login"),
    path("accounts/logout/", accounts.logout, name="logout"),
    path("accounts/password/", accounts.password, name="password"),
    path("accounts/mails/", mails.mail_settings, name="mail-settings"),
    path("mails/<str:token>/", mails.unsubscribe, name="unsubscribe"),
    path("", home.home, name="home"),
    path("your-turn/", home.turns, name="turns"),
    path("search/", search.search, name="search"),
    # What a release is, and edits of it in a change request.
    path("releases/", releases.releases, name="releases"),
    path("releases/new/", releases.new, name="release-new"),
    path(RELEASE, releases.release, name="release"),
    path(f"{RELEASE}completion/", machine_types.completion, name="completion"),
    path(f"{RELEASE}machine-types/", machine_types.machine_types, name="machine-types"),
    path(f"{RELEASE}machine-types/<path:name>/", machine_types.machine_type, name="machine-type"),
    path(f"{RELEASE}devices/", devices.devices, name="devices"),
    path(f"{RELEASE}devices/<path:name>/", devices.device, name="device"),
    path(f"{CHANGE}machine-types/add/", machine_types.machine_type_add, name="machine-type-add"),
    path(
        f"{CHANGE}machine-types/remove/",
        machine_types.machine_type_remove,
        name="machine-type-remove",
    ),
    path(f"{CHANGE}machine-types/seed/", machine_types.machine_type_seed, name="machine-type-seed"),
    path(f"{CHANGE}entries/add/", machine_types.entry_add, name="entry-add"),
    path(f"{CHANGE}entries/change/", machine_types.entry_change, name="entry-change"),
    path(f"{CHANGE}entries/move/", machine_types.entry_move, name="entry-move"),
    path(f"{CHANGE}entries/remove/", machine_types.entry_remove, name="entry-remove"),
    path(f"{CHANGE}overrides/preview/", devices.override_preview, name="override-preview"),
    path(f"{CHANGE}overrides/set/", devices.override_set, name="override-set"),
    path(f"{CHANGE}overrides/clear/", devices.override_clear, name="override-clear"),
    # Change requests
    path("changes/", changes.changes, name="changes"),
    path("changes/new/", changes.change_new, name="change-new"),
    path("changes/<int:pk>/", changes.change, name="change"),
    path("changes/<int:pk>/trials/", changes.change_trials, name="change-trials"),
    path("changes/<int:pk>/published/", changes.change_published, name="change-published"),
    path("changes/<int:pk>/edit/", changes.change_edit, name="change-edit"),
    path("changes/<int:pk>/rebase/", rebasing.change_rebase, name="change-rebase"),
    path("changes/<int:pk>/backport/", features.backport_new, name="backport-new"),
    path("changes/<int:pk>/backport/record/", features.feature_record, name="feature-record"),
    path(
        "changes/<int:pk>/backports/<slug:slug>/remove/",
        declarations.backport_remove,
        name="backport-remove",
    ),
    path("changes/<int:pk>/migrations/", declarations.migration_add, name="migration-add"),
    path(
        "changes/<int:pk>/migrations/<int:position>/remove/",
        declarations.migration_remove,
        name="migration-remove",
    ),
    path("changes/<int:pk>/devices/", declarations.devices_choose, name="devices-choose"),
    path("changes/<int:pk>/mitigations/", declarations.mitigation_add, name="mitigation-add"),
    path(
        "changes/<int:pk>/mitigations/<int:position>/remove/",
        declarations.mitigation_remove,
        name="mitigation-remove",
    ),
    path("changes/<int:pk>/<slug:action>/", changes.change_action, name="change-action"),
    # Features, trials, bundles
    path("features/", features.features, name="features"),
    path("features/<slug:slug>/", features.feature, name="feature"),
    path("trials/", trials.trials, name="trials"),
    path("trials/matrix/", trials.matrix, name="matrix"),
    path("trials/<int:pk>/", trials.trial, name="trial"),
    path("bundles/", bundles.bundles, name="bundles"),
    path("bundles/<str:tree>/<str:version>/r<int:number>/", bundles.bundle, name="bundle"),
    path(
        "bundles/<str:tree>/<str:version>/r<int:number>/download",
        bundles.download,
        name="bundle-download",
    ),
    # Imports, jobs, audit
    path("imports/", imports.imports, name="imports"),
    path("imports/new/", imports.import_new, name="import-new"),
    path("jobs/<int:pk>/", jobs.job, name="job"),
    path("jobs/<int:pk>/cancel/", jobs.job_cancel, name="job-cancel"),
    path("audit/", audit.audit, name="audit"),
    path("api/v1/", include("frontend.api.urls")),
]
