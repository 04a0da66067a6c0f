// SPDX-License-Identifier: Apache-2.0
#pragma once

// The device key as a file (32 bytes, the Ed25519 seed) that only its owner may read, and the
// burned floor as a small text file beside it. Protection is that of the file system: "software".

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/signature.h"
#include "client/ports/key_vault.h"

namespace pawl::client {

class FileKeyVault : public KeyVault {
 public:
  // Nothing is read before it is needed.
  FileKeyVault(std::string key_path, std::string floor_path);

  // ERRORS of both: kDeviceKeyMissing; kKeyFilePermissions unless it is a regular file of ours with
  // mode 0600 or 0400; kKeyFileMalformed unless it has 32 bytes.
  Result<Bytes> Sign(ByteView message) override;
  Result<Bytes> PublicKey() override;
  std::string Protection() const override { return "software"; }
  // ERRORS: kStoreCorrupt when the file is not one decimal number.
  Result<std::uint64_t> ReadFloor() override;
  Status RaiseFloor(std::uint64_t epoch) override;

 private:
  Result<Ed25519Key> LoadKey() const;
  std::string key_path_;
  std::string floor_path_;
};

}  // namespace pawl::client
