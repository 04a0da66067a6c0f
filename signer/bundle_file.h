// SPDX-License-Identifier: Apache-2.0
#pragma once

// A bundle file on its way to its name. Payloads are copied piece by piece and compared on the way.

#include <string>

#include "base/file.h"
#include "base/result.h"
#include "manifest/bundle.h"
#include "signer/bundle_maker.h"

namespace pawl::signer {

class BundleFile {
 public:
  // Makes a file beside `path` with a name that nothing there has.
  // ERRORS: kOutputExists when `path` is there; storage.
  static Result<BundleFile> Create(const std::string& path);
  BundleFile(BundleFile&& other) noexcept;
  BundleFile& operator=(BundleFile&&) = delete;
  ~BundleFile();  // removes a file that did not get its name

  // REQUIRES: called in the order of keys. ERRORS: kReleaseFileMismatch when a payload is not what
  // the manifest says; kBundleMalformed; storage.
  Status Append(const std::string& name, const BundleItem& item);
  // The end; durable when it returns.
  Status Finish();
  // REQUIRES: Finish. Gives the file its name. ERRORS: kOutputExists; storage.
  Status Publish();

  const std::string& temporary() const { return temporary_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  BundleFile(UniqueFd fd, std::string path, std::string temporary)
      : fd_(std::move(fd)), path_(std::move(path)), temporary_(std::move(temporary)) {}
  Status Write(ByteView bytes);
  Status CopyFrom(const BundleItem& item);

  UniqueFd fd_;
  std::string path_;
  std::string temporary_;  // empty: it has its name
  std::uint64_t bytes_ = 0;
};

}  // namespace pawl::signer
