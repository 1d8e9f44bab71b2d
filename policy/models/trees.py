"""What a tree decides once for all of its releases."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from machines.models import Tree


class ReviewRules(models.Model):
    """What a tree asks of a review; a tree without a row asks for one approval."""

    MOST_APPROVALS: ClassVar[int] = 3

    tree = models.OneToOneField(Tree, models.CASCADE, related_name="review_rules")
    approvals = models.PositiveSmallIntegerField(
        _("approvals needed"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_APPROVALS)],
    )

    class Meta:
        verbose_name = _("review rules")
        verbose_name_plural = _("review rules")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(approvals__range=(1, 3)), name="one_to_three_approvals"
            )
        ]

    def __str__(self) -> str:
        return f"review rules of {self.tree}"


class TreePromises(models.Model):
    """Which migrations a tree promises (:mod:`policy.trials.promises`, which alone writes them).

    A tree without a row promises what follows from its releases.
    """

    class Majors(models.TextChoices):
        NONE = "none", _("no, in neither direction")
        FORWARD = "forward", _("forward only")
        BOTH = "both", _("in both directions")

    #: The largest number of releases to count, and what stands for every one.
    MOST: ClassVar[int] = 9
    EVERY: ClassVar[int] = 100

    tree = models.OneToOneField(Tree, models.CASCADE, related_name="promises")
    older = models.PositiveSmallIntegerField(_("older releases that guests come from"))
    back = models.PositiveSmallIntegerField(_("older releases that guests go back to"))
    majors = models.CharField(_("across major releases"), max_length=10, choices=Majors.choices)

    class Meta:
        verbose_name = _("promised migrations")
        verbose_name_plural = _("promised migrations")

    def __str__(self) -> str:
        return f"promised migrations of {self.tree}"
