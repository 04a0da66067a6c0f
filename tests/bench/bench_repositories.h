// SPDX-License-Identifier: Apache-2.0
#pragma once

// The repositories and single files of the TUF benchmark, the same bytes in every run: keys come
// from fixed seeds and nothing expires before 2100.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"
#include "tests/fakes/sim_tuf_repository.h"

namespace pawl::bench {

struct BenchRepository {
  fakes::SimTufRepository repository;
  std::string target;   // the path that clients look for: one in the middle
  Sha256Digest sha256;  // what they must find
  std::uint64_t length = 0;
  std::uint64_t targets = 0;  // in the whole repository
};

// One targets file for measuring the check alone, and the root that says who may sign it.
struct BenchFile {
  Bytes root;
  Bytes targets;
};

// "targets-N": N releases in one delegated role, as Pawl's repositories have them. "bins-N": N
// releases in 256 hash bins. "file-BYTES": one top-level targets file of that size.
// ERRORS: kUsage for other names.
Result<BenchRepository> MakeRepository(std::string_view name);

// "good-BYTES": verifies. To be refused, each of 512 KiB: "wrong-signature", "64-wrong-signatures"
// (by 64 keys that may sign), "65-signatures", "json-bomb" (as many values as the bytes can hold).
// ERRORS: kUsage for other names.
Result<BenchFile> MakeFile(std::string_view name);

}  // namespace pawl::bench
