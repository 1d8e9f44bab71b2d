"""How scripts and styles are kept: compressed, and under names that follow their content."""

from whitenoise.storage import (  # type: ignore[import-untyped]
    CompressedManifestStaticFilesStorage,
)


class ModuleStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Renames the modules that a script imports along with it, so that all are fetched anew."""

    support_js_module_import_aggregation = True
