"""How days and times are written where no template says it: as ISO 8601 does."""
