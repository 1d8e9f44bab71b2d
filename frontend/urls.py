"""Every address of the site."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path

from frontend.views import accounts, home

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("accounts/login/", accounts.login, name="login"),
    path("accounts/logout/", accounts.logout, name="logout"),
    path("accounts/password/", accounts.password, name="password"),
    path("", home.home, name="home"),
]
