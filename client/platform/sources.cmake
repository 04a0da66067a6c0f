# SPDX-License-Identifier: Apache-2.0
# Paths are relative to client/.
set(PAWL_CLIENT_PLATFORM_SOURCES
  platform/command_health.cc
  platform/curl_http.cc
  platform/disk_image.cc
  platform/file_key_vault.cc
  platform/grub_boot_control.cc
  platform/linux_clock.cc
  platform/linux_entropy.cc
  platform/linux_slot_devices.cc
  platform/provision.cc
  platform/spawn.cc
  platform/sqlite_state_store.cc)
