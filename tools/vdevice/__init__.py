# SPDX-License-Identifier: Apache-2.0
"""The virtual device: a provisioned disk image driven like real hardware. See Device."""

from .disk import DeviceError
from .device import Device

__all__ = ["Device", "DeviceError"]
