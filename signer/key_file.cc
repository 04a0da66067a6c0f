// SPDX-License-Identifier: Apache-2.0
#include "signer/key_file.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/format.h"

namespace pawl::signer {
namespace {

constexpr ErrorCode kMalformed = ErrorCode::kKeyFileMalformed;
constexpr std::string_view kKdf = "argon2id13";
constexpr std::string_view kCipher = "xchacha20-poly1305-ietf";
constexpr std::size_t kSaltBytes = crypto_pwhash_SALTBYTES;
constexpr std::size_t kNonceBytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t kSealedBytes = kEd25519SeedBytes + crypto_aead_xchacha20poly1305_ietf_ABYTES;

// A parsed file with everything that opening needs.
struct Fields {
  SealedKey sealed_key;
  Bytes salt;
  Bytes nonce;
  Bytes sealed;
  std::string header;  // canonical JSON of all but "sealed": authenticated with the seed
};

Status CheckCost(const KeyCost& cost, const KeyCostLimits& limits) {
  if (cost.memory_bytes < limits.min_memory_bytes || cost.memory_bytes > limits.max_memory_bytes ||
      cost.passes < limits.min_passes || cost.passes > limits.max_passes) {
    return Fail(ErrorCode::kKeyFileCost,
                Format("expected {} to {} MiB of memory and {} to {} passes, found {} bytes and {}",
                       limits.min_memory_bytes >> 20U, limits.max_memory_bytes >> 20U,
                       limits.min_passes, limits.max_passes, cost.memory_bytes, cost.passes));
  }
  return {};
}

Result<SecretBuffer> DeriveKey(const SecretBuffer& passphrase, ByteView salt, const KeyCost& cost) {
  PAWL_TRY(InitCrypto());
  SecretBuffer key(crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
  if (crypto_pwhash(key.span().data(), key.size(),
                    reinterpret_cast<const char*>(passphrase.view().data()), passphrase.size(),
                    salt.data(), cost.passes, static_cast<std::size_t>(cost.memory_bytes),
                    crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return Fail(ErrorCode::kNoSpace,
                Format("{} MiB of memory are needed to open or make a key file, and are not there",
                       cost.memory_bytes >> 20U));
  }
  return key;
}

Json MakeHeader(const NamedKey& named, const KeyCost& cost, ByteView salt, ByteView nonce) {
  return Json{{"schema", kKeyFileSchema},
              {"name", named.name},
              {"keyid", named.keyid},
              {"key", named.tuf},
              {"kdf", Json{{"algorithm", kKdf},
                           {"memory", cost.memory_bytes},
                           {"passes", cost.passes},
                           {"salt", HexEncode(salt)}}},
              {"cipher", kCipher},
              {"nonce", HexEncode(nonce)}};
}

Result<Bytes> ReadHex(const JsonObject& object, std::string_view name, std::size_t size) {
  PAWL_ASSIGN_OR_RETURN(const std::string text, object.String(name));
  auto bytes = HexDecode(text);
  if (!bytes || bytes->size() != size) {
    return Fail(kMalformed, Format("{}: expected \"{}\" as {} lower-case hex digits",
                                   object.where(), name, 2 * size));
  }
  return bytes;
}

Status Expect(const JsonObject& object, std::string_view name, std::string_view expected) {
  PAWL_ASSIGN_OR_RETURN(const std::string found, object.String(name));
  if (found == expected) return {};
  return Fail(kMalformed, Format("{}: expected \"{}\" to be {}, found \"{}\"", object.where(), name,
                                 expected, found.substr(0, 40)));
}

Result<KeyCost> ReadKdf(const JsonObject& file, Bytes& salt) {
  PAWL_ASSIGN_OR_RETURN(const JsonObject kdf, file.Object("kdf"));
  PAWL_TRY(Expect(kdf, "algorithm", kKdf));
  KeyCost cost;
  PAWL_ASSIGN_OR_RETURN(cost.memory_bytes, kdf.Unsigned("memory"));
  PAWL_ASSIGN_OR_RETURN(cost.passes, kdf.Unsigned("passes"));
  PAWL_ASSIGN_OR_RETURN(salt, ReadHex(kdf, "salt", kSaltBytes));
  return cost;
}

Result<Fields> Parse(ByteView bytes, const std::string& where, const KeyCostLimits& limits) {
  auto document = ParseJson(bytes);
  if (!document) return Fail(kMalformed, Format("{}: {}", where, document.error().Message()));
  // One spelling only: a file in which anything was touched is not ours any more.
  if (PrettyJson(*document) != AsText(bytes)) {
    return Fail(kMalformed, Format("{}: expected the exact text that pawl-signer writes", where));
  }
  PAWL_ASSIGN_OR_RETURN(const JsonObject file, JsonObject::From(*document, where, kMalformed));
  PAWL_TRY(Expect(file, "schema", kKeyFileSchema));
  PAWL_TRY(Expect(file, "cipher", kCipher));
  Bytes salt;
  PAWL_ASSIGN_OR_RETURN(const KeyCost cost, ReadKdf(file, salt));
  PAWL_TRY(CheckCost(cost, limits));
  PAWL_ASSIGN_OR_RETURN(Bytes nonce, ReadHex(file, "nonce", kNonceBytes));
  PAWL_ASSIGN_OR_RETURN(Bytes sealed, ReadHex(file, "sealed", kSealedBytes));
  PAWL_ASSIGN_OR_RETURN(const std::string name, file.String("name"));
  PAWL_ASSIGN_OR_RETURN(const JsonObject key, file.Object("key"));
  PAWL_ASSIGN_OR_RETURN(NamedKey named, ReadNamedKey(name, key.json()));
  PAWL_TRY(Expect(file, "keyid", named.keyid));
  Json header = *document;
  header.erase("sealed");
  return Fields{{std::move(named), cost},
                std::move(salt),
                std::move(nonce),
                std::move(sealed),
                CanonicalJson(header)};
}

class SecretInMemory : public SecretKey {
 public:
  explicit SecretInMemory(Ed25519Key key) : key_(std::move(key)) {}
  Result<Bytes> Sign(ByteView message) const override { return key_.Sign(message); }

 private:
  Ed25519Key key_;
};

}  // namespace

Result<std::string> SealKey(const std::string& name, const Ed25519Key& key,
                            const SecretBuffer& passphrase, const KeyCost& cost,
                            const KeyCostLimits& limits) {
  PAWL_TRY(CheckCost(cost, limits));
  if (passphrase.size() < kMinPassphraseBytes) {
    return Fail(ErrorCode::kInputInvalid,
                Format("expected a passphrase of at least {} bytes, found {}", kMinPassphraseBytes,
                       passphrase.size()));
  }
  PAWL_ASSIGN_OR_RETURN(const NamedKey named, MakeNamedKey(name, key.public_key()));
  Bytes salt(kSaltBytes);
  Bytes nonce(kNonceBytes);
  RandomBytes(salt);
  RandomBytes(nonce);
  Json file = MakeHeader(named, cost, salt, nonce);
  const std::string header = CanonicalJson(file);
  PAWL_ASSIGN_OR_RETURN(const SecretBuffer secret, DeriveKey(passphrase, salt, cost));
  const SecretBuffer seed = key.Seed();
  Bytes sealed(kSealedBytes);
  crypto_aead_xchacha20poly1305_ietf_encrypt(sealed.data(), nullptr, seed.view().data(),
                                             seed.size(), AsBytes(header).data(), header.size(),
                                             nullptr, nonce.data(), secret.view().data());
  file["sealed"] = HexEncode(sealed);
  return PrettyJson(file);
}

Result<SealedKey> ParseKeyFile(ByteView bytes, const std::string& where,
                               const KeyCostLimits& limits) {
  PAWL_ASSIGN_OR_RETURN(Fields fields, Parse(bytes, where, limits));
  return std::move(fields.sealed_key);
}

Result<OpenedKey> OpenKey(ByteView bytes, const std::string& where, const SecretBuffer& passphrase,
                          const KeyCostLimits& limits) {
  PAWL_ASSIGN_OR_RETURN(Fields fields, Parse(bytes, where, limits));
  PAWL_ASSIGN_OR_RETURN(const SecretBuffer secret,
                        DeriveKey(passphrase, fields.salt, fields.sealed_key.cost));
  SecretBuffer seed(kEd25519SeedBytes);
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(
          seed.span().data(), nullptr, nullptr, fields.sealed.data(), fields.sealed.size(),
          AsBytes(fields.header).data(), fields.header.size(), fields.nonce.data(),
          secret.view().data()) != 0) {
    return Fail(ErrorCode::kPassphraseWrong, where);
  }
  PAWL_ASSIGN_OR_RETURN(Ed25519Key key, Ed25519Key::FromSeed(seed));
  PAWL_ASSIGN_OR_RETURN(const PublicKey public_key, PublicKey::FromEd25519(key.public_key()));
  if (public_key.identity() != fields.sealed_key.named.key.identity()) {
    return Fail(kMalformed, Format("{}: the public key shown is not that of the secret", where));
  }
  return OpenedKey{std::move(fields.sealed_key.named), std::move(key)};
}

SigningKey ToSigningKey(OpenedKey key) {
  return {std::move(key.named), std::make_unique<SecretInMemory>(std::move(key.key))};
}

Result<Bytes> ReadKeyFile(const std::string& path) {
  PAWL_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  struct stat info{};
  if (fstat(fd.get(), &info) != 0) return std::unexpected(ErrnoError(errno, path));
  if (!S_ISREG(info.st_mode)) return Fail(kMalformed, Format("{}: expected a regular file", path));
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return Fail(ErrorCode::kKeyFilePermissions,
                Format("{}: expected mode 0600, found {:04o}", path, info.st_mode & 07777U));
  }
  if (info.st_uid != geteuid()) {
    return Fail(ErrorCode::kKeyFilePermissions,
                Format("{}: expected a file of user {}, found one of user {}", path, geteuid(),
                       info.st_uid));
  }
  if (info.st_size <= 0 || static_cast<std::uint64_t>(info.st_size) > kMaxKeyFileBytes) {
    return Fail(kMalformed, Format("{}: expected 1 to {} bytes, found {}", path, kMaxKeyFileBytes,
                                   info.st_size));
  }
  Bytes bytes(static_cast<std::size_t>(info.st_size));
  PAWL_TRY(ReadExactAt(fd.get(), 0, bytes, path));
  return bytes;
}

}  // namespace pawl::signer
