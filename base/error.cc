// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>

#include "base/format.h"
#include "base/printable.h"

namespace pawl {
namespace {

using enum ErrorCode;

// Append only. Numbers and slugs are promised to users for ever.
constexpr auto kErrors = std::to_array<ErrorInfo>({
    {kUsage, "usage", "The command line is not one that this program understands.", false,
     "run the command with --help; its examples work as they are"},
    {kConfigMissing, "config-missing", "A configuration file or a key in it that is needed is not there.", false,
     "write the named key into the named file; docs/configuration.md lists all keys"},
    {kConfigInvalid, "config-invalid", "A configuration file cannot be read, or a value in it is not allowed.", false,
     "correct the named line; nothing was changed"},
    {kInputMissing, "input-missing", "A file that was named does not exist.", false, "check the path"},
    {kInputInvalid, "input-invalid", "Input does not have the form it must have.", false,
     "compare what was expected with what was found in the message"},
    {kOutputExists, "output-exists", "The output already exists, and Pawl does not overwrite.", false,
     "choose another name, or remove the old file yourself"},
    {kConfirmationMissing, "confirmation-missing",
     "The step is dangerous and needs to be confirmed in words.", false,
     "read what the message says will happen; then answer y, or add -y or the --confirm value as the message says"},
    {kAlreadyDone, "already-done", "What was asked for has been done before.", false, "nothing to do"},
    {kLockHeld, "lock-held", "Another run of this program is at work on the same state.", true,
     "wait until the other run has ended, then try again"},
    {kUnknownName, "unknown-name", "No object of that name exists here.", false,
     "the message lists the names that exist"},
    {kToolMissing, "tool-missing", "A program of the operating system that this step needs is not installed.", false,
     "install the named Debian package"},

    {kMetadataMalformed, "metadata-malformed", "Metadata does not have the form that TUF and Pawl demand.", false,
     "the repository was written by another tool or damaged on its way: run pawl-signer verify on it"},
    {kSignatureThreshold, "signature-threshold",
     "Not enough of the people entitled to it have signed this metadata.", false,
     "the missing signers run: pawl-signer sign --key THEIR.key; on a device: tell the repository's owner"},
    {kMetadataExpired, "metadata-expired",
     "Metadata is past its expiry date: somebody may be holding back newer releases (freeze attack), or nobody "
     "re-signed it in time.",
     true, "check the device's clock; the repository's owner runs: pawl-signer refresh"},
    {kVersionRollback, "version-rollback",
     "The repository offers older metadata than this device has already seen (rollback attack or a restored backup).",
     true, "do not reset the device: have the repository's owner publish again with a higher version"},
    {kVersionMismatch, "version-mismatch", "Metadata holds another version than the one that was asked for.", true,
     "publish again with pawl-signer publish; do not rename metadata files by hand"},
    {kMetadataHashMismatch, "metadata-hash-mismatch",
     "A file's length or hash is not what signed metadata says (mix-and-match attack or damage).", true,
     "try again; if it stays, run pawl-signer verify on the served folder"},
    {kMetadataMissing, "metadata-missing", "Metadata that must exist is not there.", true,
     "device: check the server address; a fresh one must refresh once before it works offline. Workspace: bring the file back from a copy"},
    {kMetadataTooLarge, "metadata-too-large", "Metadata is larger than this device is willing to read.", false,
     "retire old releases with the signer, or raise the cap in the agent's configuration"},
    {kRoleTypeMismatch, "role-type-mismatch", "Correctly signed metadata was offered as another role.", false,
     "the repository mixes up files; publish again"},
    {kSpecVersion, "spec-version", "Metadata follows another major version of the TUF specification.", false,
     "update the agent first"},
    {kDelegationMissing, "delegation-missing", "A delegated role is not listed in the snapshot.", true,
     "publish again: snapshot and delegations must be from the same publication"},
    {kTargetMissing, "target-missing", "No entitled role lists a file of this name.", true,
     "check product, channel and version; pawl-signer status shows what is published"},
    {kTargetNotDelegated, "target-not-delegated",
     "The file is listed, but by a role that is not entitled to files of this path.", false,
     "releases come from the releases role, orders from the orders role; nothing else counts"},
    {kRootMissing, "root-missing", "There is no root of trust on this device.", false,
     "provision the device again with its factory image"},
    {kRootChain, "root-chain", "A new root is not properly signed by the old and the new root keys.", true,
     "the root ceremony was incomplete: collect the missing root signatures"},
    {kDuplicateSignature, "duplicate-signature", "Metadata carries two signatures with the same key id.", false,
     "write the file again with pawl-signer"},
    {kKeyInvalid, "key-invalid", "A public key is malformed or of a kind that is not supported.", false,
     "supported: ed25519, ecdsa-sha2-nistp256, rsassa-pss-sha256 from 2048 bits"},
    {kIssuedTimeInvalid, "issued-time-invalid",
     "The signed time of issue lies after expiry or too far before it.", false,
     "the timestamp signer's clock is wrong; correct it and run pawl-signer refresh"},
    {kManifestMalformed, "manifest-malformed", "A release manifest does not have the form it must have.", false,
     "build the release again with pawl-signer build"},
    {kManifestMismatch, "manifest-mismatch",
     "A release manifest contradicts the metadata or the image that it belongs to.", false,
     "build the release again; never edit its files by hand"},
    {kOrderMalformed, "order-malformed", "An order does not have the form it must have.", false,
     "make the order again with pawl-signer order new"},
    {kOrderReplayed, "order-replayed", "This order, or a later one, has been obeyed before: orders work once.", false,
     "nothing is wrong with the device; issue a new order if you want the same again"},
    {kOrderNotForThisDevice, "order-not-for-this-device", "The order names another device or group.", false,
     "orders cannot be copied from device to device; issue one for this device"},
    {kOrderOutsideWindow, "order-outside-window", "The order is not valid yet, or no longer.", true,
     "issue a new order; an order lives for at most seven days"},
    {kOrderReleaseUnknown, "order-release-unknown",
     "The order names a release that the releases role does not list (any more).", false,
     "choose a release that pawl-signer status shows as published"},
    {kOrderPredatesStore, "order-predates-store",
     "The order is older than this device's memory of obeyed orders, so it may have been obeyed before.", false,
     "issue a new order"},
    {kRolloutMalformed, "rollout-malformed", "A rollout file does not have the form it must have.", false,
     "write it again with pawl-signer rollout set"},
    {kStatementMalformed, "statement-malformed", "An integrity statement does not have the form it must have.", false,
     "have the device make a new one"},
    {kStatementSignature, "statement-signature", "The signature of an integrity statement is not valid.", false,
     "treat the statement as forged"},
    {kStatementNonce, "statement-nonce", "An integrity statement answers another question than the one asked.", false,
     "ask again with a fresh nonce"},
    {kStatementReplayed, "statement-replayed", "An integrity statement was shown before, or its sequence forked.", false,
     "ask again; if two statements share a sequence number, the device key was copied"},
    {kStatementKeyUnknown, "statement-key-unknown", "Nobody has registered the key that signed this statement.", false,
     "register the device's public key first: pawl-fleet register"},
    {kStatementExpired, "statement-expired", "The integrity statement is too old.", true, "ask the device for a new one"},
    {kTooManyItems, "too-many-items", "A list in metadata is longer than its limit.", false,
     "limits stand in docs/manifest-format.md"},
    {kHashUnsupported, "hash-unsupported", "A target carries no hash, or only hashes of an unknown kind.", false,
     "publish with sha256"},
    {kBundleMalformed, "bundle-malformed", "An offline bundle does not have the form it must have.", false,
     "copy the file again; only pawl-signer bundle make and order answer write bundles"},
    {kBundleIncomplete, "bundle-incomplete", "An offline bundle lacks a file that is needed from it.", true,
     "have the bundle made again with --full, or connect the device to its repository"},
    {kOrderNonce, "order-nonce", "An offline order does not answer the challenge that this device has outstanding.", false,
     "run pawl-agent order request and have that very challenge answered"},
    {kChallengeMalformed, "challenge-malformed", "A challenge for an offline order does not have the form it must have.", false,
     "have the device make a new one: pawl-agent order request"},
    {kOrderMissing, "order-missing", "This bundle carries no order.", false,
     "to install the release in it: pawl-agent install FILE; orders come from pawl-signer order answer"},

    {kContainerMalformed, "container-malformed", "A delta container does not have the form it must have.", false,
     "make the container again with pawl-signer delta make"},
    {kContainerHeadMismatch, "container-head-mismatch",
     "The head of a container is not the one that the signed manifest names.", true,
     "the download was damaged or exchanged; another try may help"},
    {kFrameHashMismatch, "frame-hash-mismatch",
     "Downloaded bytes of an update are not the signed ones; they were thrown away before anything decoded them.",
     true, "the download was damaged or exchanged; another try may help. Nothing was installed"},
    {kChunkDigestMismatch, "chunk-digest-mismatch", "A part of the new image did not come out as signed.", true,
     "the agent fetches such parts from the full image; if that fails too, check memory and storage"},
    {kImageDigestMismatch, "image-digest-mismatch", "An image as a whole is not the signed one.", true,
     "try again; if it stays, check memory and storage"},
    {kSlotReadBackMismatch, "slot-read-back-mismatch",
     "What was read back from the slot is not what was written: the storage lost or changed data.", true,
     "try again; if it stays, the storage is failing: replace it"},
    {kSourceMismatch, "source-mismatch",
     "The running system's slot is not the image that a delta starts from.", true,
     "the agent falls back to full content; if the slot was tampered with, pawl-agent statement shows it"},
    {kCodecUnsupported, "codec-unsupported", "A container uses a codec that this program does not have.", false,
     "update the agent first, or make the container for older agents"},
    {kMemoryLimit, "memory-limit", "Decoding needs more memory than is allowed here.", false,
     "raise the limit, or make the container with less memory"},
    {kDecodeFailed, "decode-failed", "Authentic data could not be decoded: the container contradicts itself.", false,
     "make the container again; please report this, the signer should have refused it"},
    {kPayloadLength, "payload-length", "A payload has another length than announced.", true, "try again"},
    {kReleaseFileMismatch, "release-file-mismatch", "A file of a built release was changed after it was built.", false,
     "build the release again"},
    {kDeltaNotReproducible, "delta-not-reproducible",
     "Applying the new delta did not give the new image; it was not kept.", false,
     "please report this together with the two images"},
    {kTransformUnsupported, "transform-unsupported",
     "A container re-encodes compressed blocks in a way that this program does not have.", false,
     "nothing was written: update the agent first, or make the delta without this transform"},
    {kEncoderDiffers, "encoder-differs",
     "The compressor in this program makes other bytes than the one that the container was made with.", false,
     "nothing wrong was kept: take another delta or the full image; make deltas for the encoders that devices have"},
    {kSourceBlockMismatch, "source-block-mismatch",
     "Compressed blocks of the installed image are not those that the delta was made from.", false,
     "the chunks that need them are fetched from the full image instead; if it recurs, check the storage"},
    {kBlockIndexMalformed, "block-index-malformed", "The block index of an image does not have the form it must have.",
     false, "build the release again with pawl-signer build; devices take the full image meanwhile"},

    {kNetworkUnreachable, "network-unreachable", "The server could not be reached.", true,
     "check the network and the address; the agent tries again by itself"},
    {kNotFound, "not-found", "The server does not have this file.", true,
     "check the address; publish again if files are missing"},
    {kHttpStatus, "http-status", "The server answered with an error.", true, "see the server's log"},
    {kTransferTooSlow, "transfer-too-slow", "The transfer was too slow or took too long and was ended.", true,
     "the agent goes on from where it was at the next try"},
    {kTransferTruncated, "transfer-truncated", "The connection ended before all bytes had come.", true,
     "the agent goes on from where it was at the next try"},
    {kTransferTooLarge, "transfer-too-large", "The server sent more bytes than were signed or allowed.", false,
     "the file on the server is not the published one"},
    {kRangeUnsupported, "range-unsupported", "The server does not serve parts of files (HTTP ranges).", false,
     "use a static file server or CDN with range support, as every common one has"},
    {kTlsFailed, "tls-failed", "The secure connection could not be established.", true,
     "check the certificate's dates and names; plain HTTP is safe too, since everything is signed"},
    {kContentEncoding, "content-encoding", "The server compressed a file on its own account.", false,
     "switch off content encoding for the repository"},
    {kServingFaults, "serving-faults", "The web server does not serve the repository as devices need it.", false,
     "correct what the report marks FAIL, each with its hint; packaging/nginx/ has a configuration that is right"},

    {kIo, "io", "Reading or writing storage failed.", true, "check the storage and its cables; see the system log"},
    {kNoSpace, "no-space", "The file system is full. What was there before is untouched.", true,
     "free some space, then try again"},
    {kPermission, "permission", "The operating system does not allow this access.", false,
     "run as the right user (the agent as root); check the file's mode and owner"},
    {kStoreCorrupt, "store-corrupt", "The agent's state file cannot be read.", false,
     "run pawl-agent doctor; the running slot is not touched"},
    {kStoreSchema, "store-schema", "The agent's state was written by a newer, incompatible version.", false,
     "install an agent that knows it"},
    {kSlotTooSmall, "slot-too-small", "The image does not fit into the slot.", false,
     "the release was built for another partition layout"},
    {kSlotMissing, "slot-missing", "A slot's block device is not there.", false,
     "check [slots] in the agent's configuration against the partition names"},
    {kPowerLost, "power-lost", "The power failed.", true, "start again; the agent resumes"},
    {kNotProvisioned, "not-provisioned", "This device has no identity and no store yet.", false,
     "run pawl-agent provision in the factory, or on the disk image"},
    {kPathUnsafe, "path-unsafe", "A name would lead outside its folder.", false,
     "names in repositories are plain ASCII; the file was refused"},

    {kBootEnvInvalid, "boot-env-invalid", "The bootloader's environment cannot be read or does not make sense.", false,
     "run pawl-agent doctor, which names the file and what is wrong with it"},
    {kTrialFailed, "trial-failed",
     "The new system was started but never confirmed itself, so the bootloader went back to the old one. Nothing is broken.",
     true, "look into the log of the failed boot; the agent does not try the same release again by itself"},
    {kHealthCheckFailed, "health-check-failed",
     "The new system started, but one of its health checks failed, so the old one was kept. Nothing is broken.", true,
     "run the named health hook by hand in the new image; publish a corrected release"},
    {kSlotNotVerified, "slot-not-verified",
     "A slot was to be started whose content had not been read back and found right. That never happens.", false,
     "run pawl-agent update again"},
    {kSlotInUse, "slot-in-use", "The slot is the running system or otherwise not free to be written.", false,
     "only the other slot is ever written"},
    {kBootFactsConflict, "boot-facts-conflict", "The bootloader and the agent's memory tell different stories.", true,
     "the bootloader's facts win; pawl-agent status shows what was decided"},
    {kHealthTimeout, "health-timeout", "The health checks did not end in time, so the old system was kept.", true,
     "look for the hook that hangs; raise the deadline of the release if the check really needs longer"},
    {kConfirmWithoutRefresh, "confirm-without-refresh",
     "The new system could not reach the repository although the old one could: a system that cannot update again is not kept.",
     true, "check the network set-up of the new release"},
    {kNoTrialRunning, "no-trial-running", "There is no trial boot to confirm or to give up.", false,
     "see pawl-agent status"},

    {kHardwareIncompatible, "hardware-incompatible", "The release is for other hardware.", false,
     "check the hardware list of the release and the device's hardware id in pawl-agent status"},
    {kEpochBelowFloor, "epoch-below-floor",
     "The release is older than the security floor of this device: it has known holes and must not come back.", false,
     "choose a release with at least the epoch that the message names; no order can go below it"},
    {kAgentTooOld, "agent-too-old", "The release needs a newer agent than this one.", false,
     "install the intermediate release first"},
    {kBuildNotNewer, "build-not-newer", "The offered release is not newer than the running one.", false,
     "nothing to do; to go back on purpose, support issues a rollback order"},
    {kHeldBack, "held-back", "The release is on hold on this device.", false,
     "it was rolled back or failed its trial; a higher build or a release-hold order ends the hold"},
    {kOutsideWindow, "outside-window", "It is not the time to install.", true, "the agent installs in the window"},
    {kNotInRollout, "not-in-rollout", "This device is not in the part of the fleet that gets the release now.", true,
     "wait for a higher percentage, or put the device's group into the rollout"},
    {kRolloutPaused, "rollout-paused", "The rollout is paused.", true, "wait, or ask the release engineer"},
    {kProductMismatch, "product-mismatch", "The release is for another product.", false,
     "check [device] product in the configuration"},
    {kEpochJump, "epoch-jump", "The security epoch would jump by more than one.", false,
     "epochs cannot be taken back on devices: make sure, then add the --confirm value that the message names"},
    {kRolloutMissing, "rollout-missing", "There is no valid rollout for this channel, so nothing new is installed.", true,
     "publish one with pawl-signer rollout set; expired ones need pawl-signer refresh"},
    {kDeltaNotWorthIt, "delta-not-worth-it", "The delta is hardly smaller than the full image and was not kept.", false,
     "nothing to do; devices take the full image"},
    {kVersionImplausible, "version-implausible",
     "Published metadata has a version number that no honest repository reaches: somebody else wrote it.", false,
     "put back the last good copy of public/, then replace the keys that signed it: docs/key-ceremony.md"},
    {kTrialPending, "trial-pending",
     "A new system is armed or on trial; nothing else is started before that is decided.", true,
     "reboot if it is armed; on the trial boot wait for pawl-agent confirm"},
    {kOrderUnderWay, "order-under-way", "An order that this device has accepted is not finished yet, and goes first.", true,
     "finish it: pawl-agent update, or give pawl-agent order apply its file again"},
    {kReleaseInUse, "release-in-use", "A rollout or an order still names the release that is to be retired.", false,
     "set the rollout to another release first, or add the --confirm value that the message names"},

    {kKeyFileMalformed, "key-file-malformed", "A key file does not have the form it must have.", false,
     "restore it from its backup"},
    {kPassphraseWrong, "passphrase-wrong", "The passphrase does not open this key file (or the file is damaged).", false,
     "try again; a lost passphrase cannot be recovered, rotate the key instead"},
    {kKeyFilePermissions, "key-file-permissions", "Other users can read this key file.", false, "chmod 600 the file"},
    {kKeyNotEntitled, "key-not-entitled", "This key is not entitled to sign any of this.", false,
     "the message names the keys that are"},
    {kKeyFileCost, "key-file-cost", "The key file's cost parameters are outside of what is allowed.", false,
     "allowed: 64 MiB to 1 GiB of memory; the file may have been tampered with"},
    {kPassphraseMissing, "passphrase-missing", "A passphrase is needed and there is no way to ask for it.", false,
     "run on a terminal, or pass an open descriptor with --passphrase-fd"},
    {kEntropy, "entropy", "The system's random source is not available.", true, "check /dev/urandom and getrandom"},
    {kDeviceKeyMissing, "device-key-missing", "The device has no key to sign with.", false, "provision the device"},
    {kTokenModule, "token-module", "The token's PKCS#11 module cannot be used.", false,
     "check module-path in the URI: it is the library that the token's vendor (or opensc, softhsm2) installs"},
    {kTokenNotFound, "token-not-found", "Not exactly one token fits the URI.", false,
     "plug it in, then look with: pawl-signer key list --module PATH"},
    {kTokenPinWrong, "token-pin-wrong", "The token refused the PIN.", false,
     "the PIN is never tried a second time; each wrong one brings the token nearer to locking itself"},
    {kTokenPinLocked, "token-pin-locked", "The token takes no PIN any more.", false,
     "unlock it with the vendor's tool and its PUK or SO PIN; without these the key is lost: rotate it"},
    {kTokenKeyNotFound, "token-key-not-found", "Not exactly one key in the token fits the URI.", false,
     "look with: pawl-signer key list --module PATH, and name the key by object= and id="},
    {kTokenMechanism, "token-mechanism", "The token cannot do what is needed with this key.", false,
     "Ed25519 (CKM_EDDSA) or P-256 (CKM_ECDSA) keys that may sign are needed; key new --token makes one"},
    {kSigningFailed, "signing-failed", "No valid signature was made.", true,
     "nothing was written; check that the token is plugged in and try again"},
    {kKeyNameTaken, "key-name-taken", "The name of this key belongs to another key, or the key has another name.", false,
     "make the new key with a name of its own (anna-2): names in old transcripts must stay true"},
    {kKeyRetired, "key-retired", "This key was taken out of the repository earlier and never comes back.", false,
     "make a new key with pawl-signer key new"},
    {kRootBeyondRecovery, "root-beyond-recovery",
     "Fewer root keys are left than must sign a new root, so no device can ever be told about new keys.", false,
     "look for backups of the lost keys; else devices need a new image through another channel, with a new root of trust"},
    {kTooFewSigners, "too-few-signers", "After this change the role could not be signed: too few holders are left.", false,
     "add keys in the same command, or lower the threshold with --threshold"},

    {kInternal, "internal", "Pawl found a defect in itself and stopped before doing harm.", false,
     "please report the whole message"},
});

}  // namespace

std::span<const ErrorInfo> AllErrors() { return kErrors; }

const ErrorInfo& Describe(ErrorCode code) {
  const auto* row = std::ranges::find(kErrors, code, &ErrorInfo::code);
  if (row == kErrors.end()) std::abort();  // the table is complete; a test walks the numbers
  return *row;
}

const ErrorInfo* FindError(std::string_view name) {
  std::string_view digits = name;
  if (!digits.empty() && (digits.front() == 'E' || digits.front() == 'e')) digits.remove_prefix(1);
  unsigned number = 0;
  bool numeric = !digits.empty() && digits.size() <= 4;
  for (char c : digits) {
    if (std::isdigit(static_cast<unsigned char>(c)) == 0) {
      numeric = false;
      break;
    }
    number = number * 10 + static_cast<unsigned>(c - '0');
  }
  for (const ErrorInfo& row : kErrors) {
    if (row.slug == name || (numeric && std::to_underlying(row.code) == number)) return &row;
  }
  return nullptr;
}

ErrorClass ClassOf(ErrorCode code) { return static_cast<ErrorClass>(std::to_underlying(code) / 100); }

std::string_view ClassName(ErrorClass error_class) {
  switch (error_class) {
    case ErrorClass::kConfig: return "usage and configuration";
    case ErrorClass::kTrust: return "trust";
    case ErrorClass::kIntegrity: return "integrity";
    case ErrorClass::kNetwork: return "network";
    case ErrorClass::kStorage: return "storage";
    case ErrorClass::kBoot: return "boot";
    case ErrorClass::kPolicy: return "policy";
    case ErrorClass::kKeys: return "keys";
    case ErrorClass::kInternal: return "internal";
  }
  std::abort();
}

std::string CodeName(ErrorCode code) {
  return Format("E{:04}", static_cast<unsigned>(std::to_underlying(code)));
}

int ExitStatus(ErrorCode code) {
  if (code == kUsage) return 2;
  if (code == kLockHeld) return 75;  // EX_TEMPFAIL
  return 10 + static_cast<int>(std::to_underlying(ClassOf(code)));
}

std::string Error::Message() const {
  std::string out;
  for (auto word = context_.rbegin(); word != context_.rend(); ++word) {
    out += *word;
    out += ": ";
  }
  return Printable(out + message_);
}

}  // namespace pawl
