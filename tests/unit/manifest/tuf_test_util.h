// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/format.h"
#include "manifest/refresh.h"
#include "tests/fakes/sim_tuf_repository.h"

namespace pawl::manifest {

// A device that trusts the repository's first root: one store, as many runs as the test wants.
struct TufDevice {
  explicit TufDevice(fakes::SimTufRepository& from)
      : repository(from), fetcher(from), embedded_root(from.embedded_root), now(from.now) {}

  Result<TufClient> Open() { return TufClient::Open(store, embedded_root, now, limits); }

  Result<RefreshResult> Refresh() {
    PAWL_ASSIGN_OR_RETURN(TufClient client, Open());
    return client.Refresh(fetcher);
  }

  Result<TrustedTarget> Find(std::string_view path) {
    PAWL_ASSIGN_OR_RETURN(TufClient client, Open());
    PAWL_TRY(client.Refresh(fetcher));
    return client.FindTarget(path, &fetcher);
  }

  fakes::SimTufRepository& repository;
  fakes::SimTufFetcher fetcher;
  fakes::MemoryMetadataStore store;
  Bytes embedded_root;
  UtcTime now;
  MetadataLimits limits;
};

// "ok", or "E0202 <message>": readable on both sides of a comparison.
template <class T>
std::string Outcome(const Result<T>& result) {
  return result ? "ok" : CodeName(result.error().code()) + " " + result.error().Message();
}

template <class T>
testing::AssertionResult FailsWith(const Result<T>& result, ErrorCode code) {
  if (!result && result.error().code() == code) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << "expected " << CodeName(code) << ", found " << Outcome(result);
}

template <class T>
testing::AssertionResult Succeeds(const Result<T>& result) {
  if (result) return testing::AssertionSuccess();
  return testing::AssertionFailure() << Outcome(result);
}

}  // namespace pawl::manifest
