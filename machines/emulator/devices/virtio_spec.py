"""The numbers of the Virtual I/O Device specification 1.2: feature bits, status, both layouts.

Names of legacy registers begin with ``L_``; offsets are in bytes.
"""

from __future__ import annotations

from machines.emulator.devices.virtqueue import NOTIFY_ON_EMPTY

# Feature bits of the transport and the rings (chapter 6); a driver never accepts the bad one.
BAD_FEATURE, VERSION_1, PACKED, IOMMU_PLATFORM = 30, 32, 34, 33
ANY_LAYOUT = 27
LEGACY_FEATURES = 1 << NOTIFY_ON_EMPTY | 1 << ANY_LAYOUT | 1 << BAD_FEATURE

ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, NEEDS_RESET = 1, 2, 4, 8, 0x40
ISR_QUEUE, ISR_CONFIG = 1, 2

# Base address registers, and what stands in the modern one.
LEGACY_BAR, MSIX_BAR, NOTIFY_PIO_BAR, MODERN_BAR = 0, 1, 2, 4
COMMON, ISR, DEVICE, NOTIFY = 0x0000, 0x1000, 0x2000, 0x3000
REGION_SIZE = 0x1000
NOTIFY_STEP, NOTIFY_PAGE = 4, 0x1000
#: Types of the structures that capabilities point to (chapter 4.1.4).
CAP_COMMON, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI = 1, 2, 3, 4, 5

# The common structure (chapter 4.1.4.3).
FEATURE_SELECT, FEATURES, DRIVER_FEATURE_SELECT, DRIVER_FEATURES = 0, 4, 8, 12
CONFIG_VECTOR, QUEUE_COUNT, STATUS, GENERATION = 16, 18, 20, 21
QUEUE_SELECT, QUEUE_SIZE, QUEUE_VECTOR, QUEUE_ENABLE, QUEUE_NOTIFY_OFFSET = 22, 24, 26, 28, 30
QUEUE_DESCRIPTORS, QUEUE_AVAILABLE, QUEUE_USED, QUEUE_RESET = 32, 40, 48, 58

# The legacy registers (chapter 4.1.4.10).
L_FEATURES, L_DRIVER_FEATURES, L_QUEUE_PAGE, L_QUEUE_SIZE, L_QUEUE_SELECT = 0, 4, 8, 12, 14
L_QUEUE_NOTIFY, L_STATUS, L_ISR, L_CONFIG_VECTOR, L_QUEUE_VECTOR = 16, 18, 19, 20, 22
L_CONFIG, L_CONFIG_WITH_MSIX = 20, 24
L_PAGE_SHIFT = 12
