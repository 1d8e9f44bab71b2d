from django.apps import AppConfig


class FrontendConfig(AppConfig):
    name = "frontend"

    def ready(self) -> None:
        from axes.signals import user_locked_out

        from frontend.sign_in import lockout

        user_locked_out.connect(lockout.record, dispatch_uid="record-lock")
