"""Every address of the API, and its OpenAPI description."""

from __future__ import annotations

from django.urls import URLPattern, path
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import IsAuthenticated

from frontend.api import (
    bundle_index,
    bundles,
    changes,
    comparing,
    edits,
    explaining,
    features,
    findings,
    foreseeing,
    imports,
    matrix,
    promises,
    proposing,
    reading,
    records,
    releases,
    review,
    searching,
    streams,
    tokens,
    webhooks,
)
from frontend.api.base import Api
from frontend.api.schema import Kept
from frontend.api.scopes import HasScope


class Schema(Api, SpectacularAPIView):
    """This API's OpenAPI description, as YAML or JSON."""

    permission_classes = [IsAuthenticated, HasScope]
    generator_class = Kept


_RELEASE = "releases/<str:tree>/<str:version>/"
_CHANGE = "changes/<int:pk>/"
_WEBHOOK = "trees/<str:tree>/webhooks/<int:pk>/"
_BUNDLES = "bundles/<str:tree>/<str:version>/"
_BUNDLE = f"{_BUNDLES}r<int:number>/"
urlpatterns: list[URLPattern] = [
    path("schema/", Schema.as_view(), name="api-schema"),
    path("me/", tokens.Me.as_view(), name="api-me"),
    path("tokens/", tokens.Tokens.as_view(), name="api-tokens"),
    path("tokens/<int:pk>/", tokens.TokenDetail.as_view(), name="api-token"),
    path("trees/", releases.Trees.as_view(), name="api-trees"),
    path("trees/<str:tree>/review-rules/", review.ReviewRules.as_view(), name="api-review-rules"),
    path("trees/<str:tree>/promises/", promises.TreePromisesView.as_view(), name="api-promises"),
    path("trees/<str:tree>/webhooks/", webhooks.Webhooks.as_view(), name="api-webhooks"),
    path(_WEBHOOK, webhooks.WebhookDetail.as_view(), name="api-webhook"),
    path(f"{_WEBHOOK}ping/", webhooks.WebhookPing.as_view(), name="api-webhook-ping"),
    path(f"{_WEBHOOK}deliveries/", webhooks.Deliveries.as_view(), name="api-deliveries"),
    path(
        f"{_WEBHOOK}deliveries/<int:delivery>/repeat/",
        webhooks.DeliveryRepeat.as_view(),
        name="api-delivery-repeat",
    ),
    path("search/", searching.Find.as_view(), name="api-search"),
    path("turns/", review.Turns.as_view(), name="api-turns"),
    path("mail-settings/", review.MailSettings.as_view(), name="api-mail-settings"),
    path("releases/", releases.Releases.as_view(), name="api-releases"),
    path(_RELEASE, releases.ReleaseDetail.as_view(), name="api-release"),
    path(f"{_RELEASE}revisions/", review.Revisions.as_view(), name="api-revisions"),
    path(
        f"{_RELEASE}revisions/differences/",
        review.RevisionDifferences.as_view(),
        name="api-revision-differences",
    ),
    path(f"{_RELEASE}findings/", foreseeing.ReleaseFindings.as_view(), name="api-release-findings"),
    path(f"{_RELEASE}machine-types/", releases.MachineTypes.as_view(), name="api-machine-types"),
    path(
        f"{_RELEASE}machine-types/<path:name>/",
        releases.MachineTypeDetail.as_view(),
        name="api-machine-type",
    ),
    path(f"{_RELEASE}devices/", releases.Devices.as_view(), name="api-devices"),
    path(f"{_RELEASE}devices/<path:driver>/", releases.DeviceDetail.as_view(), name="api-device"),
    path("changes/", changes.Changes.as_view(), name="api-changes"),
    path("changes/<int:pk>/", changes.ChangeDetail.as_view(), name="api-change"),
    path(f"{_CHANGE}policy/", changes.ChangePolicy.as_view(), name="api-change-policy"),
    path(f"{_CHANGE}edits/", edits.ChangeEdits.as_view(), name="api-change-edits"),
    path(
        f"{_CHANGE}edits/preview/",
        edits.ChangeEditsPreview.as_view(),
        name="api-change-edits-preview",
    ),
    path(f"{_CHANGE}rebase/", changes.ChangeRebase.as_view(), name="api-change-rebase"),
    path(f"{_CHANGE}states/", changes.ChangeStates.as_view(), name="api-change-states"),
    path(
        f"{_CHANGE}differences/", changes.ChangeDifferences.as_view(), name="api-change-differences"
    ),
    path(f"{_CHANGE}backports/", changes.ChangeBackports.as_view(), name="api-change-backports"),
    path(f"{_CHANGE}bundle/", foreseeing.ChangeBundle.as_view(), name="api-change-bundle"),
    path(f"{_CHANGE}objects/", reading.ChangeObjects.as_view(), name="api-change-objects"),
    path(
        f"{_CHANGE}objects/<slug:key>/<slug:action>/",
        reading.ObjectMark.as_view(),
        name="api-object-mark",
    ),
    path(f"{_CHANGE}threads/", review.Threads.as_view(), name="api-threads"),
    path(
        f"{_CHANGE}threads/<int:thread>/<slug:action>/",
        review.ThreadAction.as_view(),
        name="api-thread-action",
    ),
    path(f"{_CHANGE}drafts/<int:comment>/", review.Draft.as_view(), name="api-draft"),
    path(f"{_CHANGE}findings/", findings.Findings.as_view(), name="api-findings"),
    path(
        f"{_CHANGE}findings/<slug:identity>/waive/",
        findings.FindingWaive.as_view(),
        name="api-finding-waive",
    ),
    path(
        f"{_CHANGE}findings/<slug:identity>/apply/",
        findings.FindingApply.as_view(),
        name="api-finding-apply",
    ),
    path(f"{_CHANGE}waivers/", review.Waivers.as_view(), name="api-waivers"),
    path(f"{_CHANGE}waivers/<int:position>/", review.WaiverDetail.as_view(), name="api-waiver"),
    path(
        "changes/<int:pk>/<slug:action>/",
        changes.ChangeTransition.as_view(),
        name="api-change-action",
    ),
    path("features/", features.Features.as_view(), name="api-features"),
    path("features/proposals/", proposing.Proposals.as_view(), name="api-proposals"),
    path("features/<slug:slug>/", features.FeatureDetail.as_view(), name="api-feature"),
    path("matrix/", matrix.MatrixView.as_view(), name="api-matrix"),
    path("compare/", comparing.Comparison.as_view(), name="api-compare"),
    path("explain/", explaining.Explain.as_view(), name="api-explain"),
    path("trials/", records.Trials.as_view(), name="api-trials"),
    path("trials/<int:pk>/", records.TrialDetail.as_view(), name="api-trial"),
    path("trials/<int:pk>/run-again/", records.TrialRunAgain.as_view(), name="api-trial-run-again"),
    path("trials/<int:pk>/stream/", streams.TrialStream.as_view(), name="api-trial-stream"),
    path("trials/<int:pk>/vary/", streams.TrialVary.as_view(), name="api-trial-vary"),
    path("streams/", streams.Streams.as_view(), name="api-streams"),
    path("streams/<int:pk>/", streams.StreamDetail.as_view(), name="api-stream"),
    path("streams/<int:pk>/share/", streams.StreamShare.as_view(), name="api-stream-share"),
    path("streams/<int:pk>/parts/", streams.StreamParts.as_view(), name="api-stream-parts"),
    path(
        "streams/<int:pk>/parts/<int:number>/",
        streams.StreamPartDetail.as_view(),
        name="api-stream-part",
    ),
    path(
        "streams/<int:pk>/verdicts/", streams.StreamVerdicts.as_view(), name="api-stream-verdicts"
    ),
    path("trials/<int:pk>/remedies/", records.TrialRemedies.as_view(), name="api-trial-remedies"),
    path("bundles/", bundles.Bundles.as_view(), name="api-bundles"),
    path("bundles/index/", bundle_index.BundleIndexState.as_view(), name="api-bundle-index-state"),
    path("bundles/index.json", bundle_index.BundleIndexFile.as_view(), name="api-bundle-index"),
    path(
        "bundles/index.json.asc",
        bundle_index.BundleIndexSignature.as_view(),
        name="api-bundle-index-signature",
    ),
    path(
        "bundles/index-<int:serial>.json",
        bundle_index.BundleIndexOf.as_view(),
        name="api-bundle-index-of",
    ),
    path(
        "bundles/index-<int:serial>/sign/",
        bundle_index.BundleIndexSign.as_view(),
        name="api-bundle-index-sign",
    ),
    path(f"{_BUNDLES}latest/", bundles.LatestBundle.as_view(), name="api-bundle-latest"),
    path(
        f"{_BUNDLES}differences/",
        bundles.BundleDifferences.as_view(),
        name="api-bundle-differences",
    ),
    path(_BUNDLE, bundles.BundleDetail.as_view(), name="api-bundle"),
    path(f"{_BUNDLE}download", bundles.BundleDownload.as_view(), name="api-bundle-download"),
    path(
        f"{_BUNDLE}download.asc",
        bundles.BundleSignatureFile.as_view(),
        name="api-bundle-signature",
    ),
    path(f"{_BUNDLE}sign/", bundles.BundleSign.as_view(), name="api-bundle-sign"),
    path(f"{_BUNDLE}revoke/", bundles.BundleRevoke.as_view(), name="api-bundle-revoke"),
    path("imports/", imports.Imports.as_view(), name="api-imports"),
    path("jobs/", records.Jobs.as_view(), name="api-jobs"),
    path("jobs/<int:pk>/", records.JobDetail.as_view(), name="api-job"),
    path("jobs/<int:pk>/cancel/", records.JobCancel.as_view(), name="api-job-cancel"),
    path("audit/", records.Audit.as_view(), name="api-audit"),
]
