from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.utils.translation import gettext_lazy as _


class AdministrationConfig(admin_apps.AdminConfig):
    default = False  # of this package, that is: settings name it
    default_site = "frontend.administration.Site"


class FrontendConfig(AppConfig):
    name = "frontend"
    verbose_name = _("Signing in")
    default = True

    def ready(self) -> None:
        from axes.signals import user_locked_out

        from frontend.sign_in import lockout

        user_locked_out.connect(lockout.record, dispatch_uid="record-lock")
