// SPDX-License-Identifier: Apache-2.0
#pragma once

// The support desk's answer to the challenge of a device without a network: an order with its
// nonce, in a role file that the support key signs and nobody publishes, in a bundle with the chain
// and what the device needs to obey. No online key takes part. docs/adr/0012-offline-bundles.md
// says why.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "manifest/challenge.h"
#include "manifest/order.h"
#include "signer/bundle_maker.h"
#include "signer/signing_key.h"
#include "signer/workspace.h"

namespace pawl::signer {

struct AnswerRequest {
  manifest::Challenge challenge;
  manifest::OrderAction action = manifest::OrderAction::kHold;
  std::optional<std::string> version;  // for rollback and install
  std::string reason;
  std::string ticket;
  std::uint64_t hours = 24;  // 1 … 168
  bool full = false;         // payloads also when the release lies in the device's other slot
  const std::vector<SigningKey>* keys = nullptr;
  std::string out;
  UtcTime now;
};

struct OrderAnswer {
  manifest::Order order;
  BundleReport bundle;
};

// Refuses what the device would refuse: for use before anybody is asked for a key.
Status CheckAnswer(const Workspace& workspace, const AnswerRequest& request);

// Refuses what the device would refuse, with the code that it would give: kProductMismatch,
// kHardwareIncompatible, kAgentTooOld, kEpochBelowFloor, kBuildNotNewer, kAlreadyDone,
// kOrderReleaseUnknown for a release that is not published; kVersionRollback when what is published
// here is older than what the device has seen. Further ERRORS: kUsage, kUnknownName (product),
// kKeyNotEntitled, kSignatureThreshold, kOrderMalformed, and those of MakeBundle.
Result<OrderAnswer> AnswerChallenge(const Workspace& workspace, const AnswerRequest& request);

}  // namespace pawl::signer
