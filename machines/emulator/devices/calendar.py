"""The time of day as the registers of a real-time clock write it, and when an alarm comes next.

After Motorola's data sheet (MC146818, 1984); what is left open there, such as dates that do not
exist, after hw/rtc/mc146818rtc.c. Nothing here has a state.
"""

from __future__ import annotations

from dataclasses import dataclass

SECONDS_PER_DAY = 86_400
#: The bit of an hour of twelve that says "after noon".
AFTERNOON = 0x80
#: What an alarm's "don't care" code (0xC0 to 0xFF) is read as.
ANY = -1


@dataclass(frozen=True, slots=True)
class Coding:
    """How the guest wants numbers: binary or BCD, hours of 24 or of twice 12.

    >>> Coding(is_binary=False, is_24_hours=False).coded_hour(23)  # 11 in BCD, after noon
    145
    """

    is_binary: bool
    is_24_hours: bool

    def coded(self, value: int) -> int:
        return value if self.is_binary else value // 10 << 4 | value % 10

    def coded_hour(self, hour: int) -> int:
        if self.is_24_hours:
            return self.coded(hour)
        return self.coded(hour % 12 or 12) | (AFTERNOON if hour >= 12 else 0)

    def decoded(self, value: int) -> int:
        """A register as a number; :data:`ANY` for a "don't care" code."""
        if value & 0xC0 == 0xC0:
            return ANY
        return value if self.is_binary else (value >> 4) * 10 + (value & 0x0F)

    def hour(self, hour: int, is_afternoon: bool) -> int:
        """A decoded hour as one of 24."""
        if self.is_24_hours:
            return hour
        return hour % 12 + (12 if is_afternoon else 0)


def seconds_of(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    """Seconds since 1970 of a date, which may not exist: days and hours just add up."""
    if month < 3:  # the year begins in March, after its leap day
        month, year = month + 12, year - 1
    days = 365 * year + int(year / 4) - int(year / 100) + int(year / 400)
    days += (153 * month - 457) // 5 + day - 719_469
    return days * SECONDS_PER_DAY + 3600 * hour + 60 * minute + second


def next_match(now: tuple[int, int, int], second: int, minute: int, hour: int) -> int:
    """The second of the day at which an alarm fires next, as the device finds it.

    What has passed carries over to the unit that the alarm does not care for.
    """
    now_hour, now_minute, now_second = now
    any_hour, any_minute = hour == ANY, minute == ANY
    hour = now_hour if any_hour else hour
    if hour == now_hour:
        minute = now_minute if any_minute else minute
        if minute == now_minute:
            second = now_second + 1 if second == ANY else second
            passed = second == 60 or second < now_second
            if second == 60 or not (any_hour or any_minute):
                second %= 60
            minute += passed and any_minute
            hour += passed and any_hour and not any_minute
            if any_minute and not any_hour:
                minute %= 60
        elif any_hour:
            hour += now_minute > minute
    minute, second = max(minute, 0), max(second, 0)
    minute, second = (minute + 1, 0) if second == 60 else (minute, second)
    hour, minute = (hour + 1, 0) if minute == 60 else (hour, minute)
    return (hour % 24 * 60 + minute) * 60 + second
