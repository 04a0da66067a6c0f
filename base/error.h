// SPDX-License-Identifier: Apache-2.0
#pragma once

// Every way Pawl can refuse or fail, as data.
//
// A code is append-only: number and slug never change meaning and are never reused, because scripts,
// run books and support tickets name them. One table (error.cc) feeds `explain`, docs/errors.md, the
// exit class and the "try again?" decision of the agent.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pawl {

// Exit status and first two digits of the code: E02xx is kTrust, exit status 12.
enum class ErrorClass : std::uint8_t {
  kConfig = 1,
  kTrust = 2,
  kIntegrity = 3,
  kNetwork = 4,
  kStorage = 5,
  kBoot = 6,
  kPolicy = 7,
  kKeys = 8,
  kInternal = 9,
};

enum class ErrorCode : std::uint16_t {
  // E01xx: how the program was called or configured.
  kUsage = 101,
  kConfigMissing = 102,
  kConfigInvalid = 103,
  kInputMissing = 104,
  kInputInvalid = 105,
  kOutputExists = 106,
  kConfirmationMissing = 107,
  kAlreadyDone = 108,
  kLockHeld = 109,
  kUnknownName = 110,
  kToolMissing = 111,

  // E02xx: trust. The bytes may be intact, but nobody entitled says so.
  kMetadataMalformed = 201,
  kSignatureThreshold = 202,
  kMetadataExpired = 203,
  kVersionRollback = 204,
  kVersionMismatch = 205,
  kMetadataHashMismatch = 206,
  kMetadataMissing = 207,
  kMetadataTooLarge = 208,
  kRoleTypeMismatch = 209,
  kSpecVersion = 210,
  kDelegationMissing = 211,
  kTargetMissing = 212,
  kTargetNotDelegated = 213,
  kRootMissing = 214,
  kRootChain = 215,
  kDuplicateSignature = 216,
  kKeyInvalid = 217,
  kIssuedTimeInvalid = 218,
  kManifestMalformed = 219,
  kManifestMismatch = 220,
  kOrderMalformed = 221,
  kOrderReplayed = 222,
  kOrderNotForThisDevice = 223,
  kOrderOutsideWindow = 224,
  kOrderReleaseUnknown = 225,
  kOrderPredatesStore = 226,
  kRolloutMalformed = 227,
  kStatementMalformed = 228,
  kStatementSignature = 229,
  kStatementNonce = 230,
  kStatementReplayed = 231,
  kStatementKeyUnknown = 232,
  kStatementExpired = 233,
  kTooManyItems = 234,
  kHashUnsupported = 235,
  kBundleMalformed = 239,
  kBundleIncomplete = 240,
  kOrderNonce = 241,
  kChallengeMalformed = 242,
  kOrderMissing = 243,

  // E03xx: integrity. Somebody entitled said what the bytes are, and they are not that.
  kContainerMalformed = 301,
  kContainerHeadMismatch = 302,
  kFrameHashMismatch = 303,
  kChunkDigestMismatch = 304,
  kImageDigestMismatch = 305,
  kSlotReadBackMismatch = 306,
  kSourceMismatch = 307,
  kCodecUnsupported = 308,
  kMemoryLimit = 309,
  kDecodeFailed = 310,
  kPayloadLength = 311,
  kReleaseFileMismatch = 312,
  kDeltaNotReproducible = 313,
  kTransformUnsupported = 314,
  kEncoderDiffers = 315,
  kSourceBlockMismatch = 316,
  kBlockIndexMalformed = 320,

  // E04xx: network. Another try may help.
  kNetworkUnreachable = 401,
  kNotFound = 402,
  kHttpStatus = 403,
  kTransferTooSlow = 404,
  kTransferTruncated = 405,
  kTransferTooLarge = 406,
  kRangeUnsupported = 407,
  kTlsFailed = 408,
  kContentEncoding = 409,
  kServingFaults = 410,

  // E05xx: storage.
  kIo = 501,
  kNoSpace = 502,
  kPermission = 503,
  kStoreCorrupt = 504,
  kStoreSchema = 505,
  kSlotTooSmall = 506,
  kSlotMissing = 507,
  kPowerLost = 508,
  kNotProvisioned = 509,
  kPathUnsafe = 510,

  // E06xx: boot control and trial.
  kBootEnvInvalid = 601,
  kTrialFailed = 602,
  kHealthCheckFailed = 603,
  kSlotNotVerified = 604,
  kSlotInUse = 605,
  kBootFactsConflict = 606,
  kHealthTimeout = 607,
  kConfirmWithoutRefresh = 608,
  kNoTrialRunning = 609,

  // E07xx: policy. Everything is authentic, and the answer is still no.
  kHardwareIncompatible = 701,
  kEpochBelowFloor = 702,
  kAgentTooOld = 703,
  kBuildNotNewer = 704,
  kHeldBack = 705,
  kOutsideWindow = 706,
  kNotInRollout = 707,
  kRolloutPaused = 708,
  kProductMismatch = 709,
  kEpochJump = 710,
  kRolloutMissing = 711,
  kDeltaNotWorthIt = 712,
  kVersionImplausible = 713,
  kTrialPending = 715,
  kOrderUnderWay = 716,
  kReleaseInUse = 718,

  // E08xx: keys.
  kKeyFileMalformed = 801,
  kPassphraseWrong = 802,
  kKeyFilePermissions = 803,
  kKeyNotEntitled = 804,
  kKeyFileCost = 805,
  kPassphraseMissing = 806,
  kEntropy = 807,
  kDeviceKeyMissing = 808,
  kTokenModule = 809,
  kTokenNotFound = 810,
  kTokenPinWrong = 811,
  kTokenPinLocked = 812,
  kTokenKeyNotFound = 813,
  kTokenMechanism = 814,
  kSigningFailed = 815,
  kKeyNameTaken = 816,
  kKeyRetired = 817,
  kRootBeyondRecovery = 818,
  kTooFewSigners = 819,

  // E09xx: a defect in Pawl.
  kInternal = 901,
};

// One row of the table of errors.
struct ErrorInfo {
  ErrorCode code;
  std::string_view slug;     // "signature-threshold"
  std::string_view meaning;  // one sentence for `explain`: what happened, in plain words
  bool retryable;            // may the same call succeed later without anybody acting?
  std::string_view hint;     // what to do next
};

// All rows, in order of their number.
std::span<const ErrorInfo> AllErrors();

// The row of `code`. Total: every ErrorCode has a row (tested).
const ErrorInfo& Describe(ErrorCode code);

// Finds a row by "E0202", "0202", "202" or its slug. Returns nullptr when there is none.
const ErrorInfo* FindError(std::string_view name);

ErrorClass ClassOf(ErrorCode code);
std::string_view ClassName(ErrorClass error_class);

// "E0202"
std::string CodeName(ErrorCode code);

// Process exit status for an error: 2 for wrong usage, otherwise 10 + class (architecture.md).
int ExitStatus(ErrorCode code);

// An error on its way up: what was expected, what was found, and where, outermost context first.
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  // Message with its contexts: "reading slot b: expected 4096 bytes, found 512". One line; control characters are shown as "\x1b".
  std::string Message() const;
  bool retryable() const { return Describe(code_).retryable; }

  // Adds what was being done; the outermost caller's words come first in Message().
  Error&& Context(std::string what) && {
    context_.push_back(std::move(what));
    return std::move(*this);
  }

 private:
  ErrorCode code_;
  std::string message_;
  std::vector<std::string> context_;  // innermost first
};

}  // namespace pawl
