// SPDX-License-Identifier: Apache-2.0
#include "signer/pkcs11_token.h"

#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <tuple>

#include "base/format.h"
#include "base/hash.h"
#include "base/signature.h"
#include "manifest/release.h"
#include "signer/pkcs11_errors.h"
#include "signer/pkcs11_keys.h"
#include "signer/pkcs11_module.h"
#include "signer/pkcs11_session.h"

namespace pawl::signer {
namespace {

std::string Text(const unsigned char* padded, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(padded), size);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\0')) text.pop_back();
  return text;
}

// What a token calls itself comes from outside, and goes to a terminal.
std::string Printable(std::string text) {
  std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

bool Offers(const Pkcs11Module& module, CK_SLOT_ID slot, CK_MECHANISM_TYPE mechanism,
            CK_FLAGS use) {
  CK_MECHANISM_INFO info{};
  return module.call().C_GetMechanismInfo(slot, mechanism, &info) == CKR_OK &&
         (info.flags & use) != 0;
}

Result<TokenFacts> ReadFacts(const Pkcs11Module& module, CK_SLOT_ID slot) {
  CK_TOKEN_INFO info{};
  const CK_RV answer = module.call().C_GetTokenInfo(slot, &info);
  if (answer != CKR_OK) return TokenFailure("asking the token about itself", answer);
  TokenFacts facts;
  facts.uri.token = Text(info.label, sizeof(info.label));
  facts.label = Printable(*facts.uri.token);
  facts.uri.manufacturer = Text(info.manufacturerID, sizeof(info.manufacturerID));
  facts.uri.model = Text(info.model, sizeof(info.model));
  facts.uri.serial = Text(info.serialNumber, sizeof(info.serialNumber));
  facts.uri.module_path = module.path();
  const auto has = [&info](CK_FLAGS flag) { return (info.flags & flag) != 0; };
  facts.needs_pin = has(CKF_LOGIN_REQUIRED);
  facts.has_keypad = has(CKF_PROTECTED_AUTHENTICATION_PATH);
  facts.pin_low = has(CKF_USER_PIN_COUNT_LOW);
  facts.pin_final_try = has(CKF_USER_PIN_FINAL_TRY);
  facts.pin_locked = has(CKF_USER_PIN_LOCKED);
  facts.pin_set = has(CKF_USER_PIN_INITIALIZED);
  facts.min_pin_bytes = info.ulMinPinLen;
  facts.max_pin_bytes = info.ulMaxPinLen;
  for (const TokenKeyType type : {TokenKeyType::kEd25519, TokenKeyType::kP256}) {
    if (Offers(module, slot, MakingMechanism(type), CKF_GENERATE_KEY_PAIR) &&
        Offers(module, slot, SigningMechanism(type), CKF_SIGN)) {
      facts.makes.push_back(type);
    }
  }
  return facts;
}

// A token that nobody has set up: SoftHSM always offers one.
bool IsBlank(const TokenFacts& facts) { return facts.label.empty() && !facts.pin_set; }

bool Fits(const TokenUri& wanted, const TokenUri& found) {
  const auto fits = [](const auto& want, const auto& have) { return !want || *want == have; };
  return fits(wanted.token, found.token) && fits(wanted.manufacturer, found.manufacturer) &&
         fits(wanted.model, found.model) && fits(wanted.serial, found.serial);
}

std::string JoinUris(const std::vector<TokenUri>& uris) {
  std::string out;
  for (const TokenUri& uri : uris) out += (out.empty() ? " " : ", ") + FormatTokenUri(uri);
  return out.empty() ? " nothing" : out;
}

std::unexpected<Error> WrongPin(const Token& token, CK_RV answer) {
  std::unexpected<Error> failure = TokenFailure("opening the token", answer);
  const auto now = token.Facts();
  if (!now || failure.error().code() != ErrorCode::kTokenPinWrong) return failure;
  if (now->pin_locked) {
    return Fail(ErrorCode::kTokenPinLocked, "the PIN is wrong, and that was the last try");
  }
  if (!now->pin_final_try) return failure;
  return Fail(ErrorCode::kTokenPinWrong,
              failure.error().Message() + "; ONE TRY IS LEFT before the token locks itself");
}

// A secret that stays where it is.
class SecretInToken : public SecretKey {
 public:
  SecretInToken(std::shared_ptr<const Token> token, const Pkcs11Session& session,
                CK_OBJECT_HANDLE handle, TokenKeyType type, bool asks_each_time, SecretBuffer pin)
      : token_(std::move(token)),
        session_(session),
        handle_(handle),
        type_(type),
        asks_each_time_(asks_each_time),
        pin_(std::move(pin)) {}

  Result<Bytes> Sign(ByteView message) const override {
    if (type_ == TokenKeyType::kEd25519) return SignRaw(message);
    PAWL_ASSIGN_OR_RETURN(const Bytes raw, SignRaw(HashSha256(message).bytes));
    return EcdsaSignatureToDer(raw);
  }

 private:
  Result<Bytes> SignRaw(ByteView data) const {
    // After a failure the PIN may be the reason: it is not tried again.
    if (failed_) return Fail(ErrorCode::kSigningFailed, "the token failed before");
    const EachTime each{asks_each_time_, pin_.size() > 0 ? &pin_ : nullptr};
    auto signature = session_.Sign(SigningMechanism(type_), handle_, data, each);
    failed_ = !signature.has_value();
    return signature;
  }

  std::shared_ptr<const Token> token_;  // owns the session
  const Pkcs11Session& session_;
  CK_OBJECT_HANDLE handle_;
  TokenKeyType type_;
  bool asks_each_time_;
  SecretBuffer pin_;
  mutable bool failed_ = false;
};

}  // namespace

std::string TokenKey::SuggestedName() const {
  if (uri.object && manifest::IsPlainName(*uri.object)) return *uri.object;
  return "token-" + HashSha256(point).Hex().substr(0, 8);
}

Result<NamedKey> TokenKey::Named(const std::string& name) const {
  return type == TokenKeyType::kEd25519 ? MakeNamedKey(name, point) : MakeNamedP256Key(name, point);
}

Token::Token(std::shared_ptr<Pkcs11Module> module, unsigned long slot,
             std::unique_ptr<Pkcs11Session> session)
    : module_(std::move(module)), slot_(slot), session_(std::move(session)) {}

Token::~Token() = default;

Result<std::shared_ptr<Token>> Token::Open(const TokenUri& uri, TokenAccess access) {
  PAWL_ASSIGN_OR_RETURN(auto module, Pkcs11Module::Load(uri.module_path));
  PAWL_ASSIGN_OR_RETURN(const auto slots, module->SlotsWithTokens());
  std::vector<TokenUri> all;
  std::vector<TokenUri> fitting;
  CK_SLOT_ID slot = 0;
  for (const CK_SLOT_ID candidate : slots) {
    const auto facts = ReadFacts(*module, candidate);
    if (!facts || IsBlank(*facts)) continue;  // pulled out meanwhile, or never set up
    all.push_back(facts->uri);
    if (!Fits(uri, facts->uri)) continue;
    fitting.push_back(facts->uri);
    slot = candidate;
  }
  if (fitting.empty()) {
    return Fail(ErrorCode::kTokenNotFound,
                Format("expected the token of {}, found{}", FormatTokenUri(uri), JoinUris(all)));
  }
  if (fitting.size() > 1) {
    return Fail(ErrorCode::kTokenNotFound, Format("expected one token, found {}; add serial=:{}",
                                                  fitting.size(), JoinUris(fitting)));
  }
  PAWL_ASSIGN_OR_RETURN(auto session,
                        Pkcs11Session::Open(module, slot, access == TokenAccess::kWrite));
  return std::shared_ptr<Token>(new Token(std::move(module), slot, std::move(session)));
}

Result<std::vector<TokenFacts>> ListTokens(const std::string& module_path) {
  PAWL_ASSIGN_OR_RETURN(const auto module, Pkcs11Module::Load(module_path));
  PAWL_ASSIGN_OR_RETURN(const auto slots, module->SlotsWithTokens());
  std::vector<TokenFacts> tokens;
  for (const CK_SLOT_ID slot : slots) {
    auto facts = ReadFacts(*module, slot);
    if (facts && !IsBlank(*facts)) tokens.push_back(*std::move(facts));
  }
  return tokens;
}

Result<TokenFacts> Token::Facts() const { return ReadFacts(*module_, slot_); }

Result<bool> Token::IsOpen() const {
  PAWL_ASSIGN_OR_RETURN(const TokenFacts facts, Facts());
  if (!facts.needs_pin) return true;
  return session_->IsLoggedIn();
}

Status Token::Login(const SecretBuffer* pin) {
  PAWL_ASSIGN_OR_RETURN(const TokenFacts facts, Facts());
  if (pin != nullptr && (pin->size() < facts.min_pin_bytes || pin->size() > facts.max_pin_bytes)) {
    return Fail(ErrorCode::kTokenPinWrong,
                Format("expected a PIN of {} to {} bytes, found {}; it was not tried",
                       facts.min_pin_bytes, facts.max_pin_bytes, pin->size()));
  }
  const CK_RV answer = session_->Login(CKU_USER, pin);
  if (answer == CKR_OK || answer == CKR_USER_ALREADY_LOGGED_IN) return {};
  return WrongPin(*this, answer);
}

Result<std::vector<TokenKey>> Token::Keys(const TokenUri& uri) const {
  PAWL_ASSIGN_OR_RETURN(const TokenFacts facts, Facts());
  PAWL_ASSIGN_OR_RETURN(const bool open, IsOpen());
  if (open) {
    PAWL_ASSIGN_OR_RETURN(auto keys, ReadKeys(*session_, facts.uri, uri, KeyHalf::kPrivate));
    if (!keys.empty()) return keys;
  }
  // Closed, or named by the label of the public half: smart cards give the two different ones.
  return ReadKeys(*session_, facts.uri, uri, KeyHalf::kPublic);
}

Result<TokenKey> Token::FindKey(const TokenUri& uri) const {
  PAWL_ASSIGN_OR_RETURN(std::vector<TokenKey> keys, Keys(uri));
  if (keys.size() == 1) return std::move(keys.front());
  std::vector<TokenUri> found;
  for (const TokenKey& key : keys) found.push_back(key.uri);
  return Fail(ErrorCode::kTokenKeyNotFound,
              Format("expected one Ed25519 or P-256 key for {}, found{}", FormatTokenUri(uri),
                     JoinUris(found)));
}

Result<unsigned long> Token::PrivateHandle(const TokenKey& key) const {
  TokenUri half = key.uri;
  if (half.id) half.object.reset();  // the halves share the id, not always the label
  PAWL_ASSIGN_OR_RETURN(const auto handles, session_->Find(TemplateOf(half, KeyHalf::kPrivate)));
  if (handles.size() == 1) return handles.front();
  return Fail(ErrorCode::kTokenKeyNotFound, Format("{}: expected one private key, found {}",
                                                   FormatTokenUri(key.uri), handles.size()));
}

Result<bool> Token::AsksEachTime(const TokenKey& key) const {
  PAWL_ASSIGN_OR_RETURN(const unsigned long handle, PrivateHandle(key));
  return session_->Flag(handle, CKA_ALWAYS_AUTHENTICATE, false);
}

Result<std::unique_ptr<SecretKey>> Token::OpenKey(const TokenKey& key, SecretBuffer pin) const {
  PAWL_ASSIGN_OR_RETURN(const unsigned long handle, PrivateHandle(key));
  PAWL_ASSIGN_OR_RETURN(const bool may_sign, session_->Flag(handle, CKA_SIGN, true));
  if (!may_sign) {
    return Fail(ErrorCode::kTokenMechanism,
                Format("{}: this key may not sign (CKA_SIGN is false)", FormatTokenUri(key.uri)));
  }
  if (!Offers(*module_, slot_, SigningMechanism(key.type), CKF_SIGN)) {
    return Fail(
        ErrorCode::kTokenMechanism,
        Format("{}: the token does not sign with {} keys ({})", FormatTokenUri(key.uri),
               NameOf(key.type), key.type == TokenKeyType::kEd25519 ? "CKM_EDDSA" : "CKM_ECDSA"));
  }
  PAWL_ASSIGN_OR_RETURN(const bool each, AsksEachTime(key));
  if (!each) pin = SecretBuffer();
  PAWL_ASSIGN_OR_RETURN(const TokenFacts facts, Facts());
  if (each && pin.size() == 0 && !facts.has_keypad) {
    return Fail(ErrorCode::kTokenMechanism,
                Format("{}: the token wants the PIN before each signature with this key",
                       FormatTokenUri(key.uri)));
  }
  return std::make_unique<SecretInToken>(shared_from_this(), *session_, handle, key.type, each,
                                         std::move(pin));
}

Result<TokenKey> Token::MakeKey(const std::string& name, TokenKeyType type) const {
  PAWL_ASSIGN_OR_RETURN(const TokenFacts facts, Facts());
  TokenUri taken;
  taken.object = name;
  PAWL_ASSIGN_OR_RETURN(const auto others, session_->Find(TemplateOf(taken, KeyHalf::kPrivate)));
  if (!others.empty()) {
    return Fail(ErrorCode::kOutputExists,
                Format("the token '{}' has a key '{}' already", facts.label, name));
  }
  PAWL_ASSIGN_OR_RETURN(const Pkcs11Session::KeyPair pair, GeneratePair(*session_, name, type));
  // Whatever fails from here on: no half-made key is left behind.
  const auto prove = [&]() -> Result<TokenKey> {
    PAWL_ASSIGN_OR_RETURN(TokenKey key, ReadKey(*session_, facts.uri, pair.public_key));
    PAWL_ASSIGN_OR_RETURN(NamedKey named, key.Named(name));
    PAWL_ASSIGN_OR_RETURN(auto secret, OpenKey(key, SecretBuffer()));
    PAWL_TRY((SigningKey{std::move(named), std::move(secret)}.Sign(AsBytes(kProofText))));
    return key;
  };
  auto key = prove();
  if (!key) {
    std::ignore = session_->Destroy(pair.private_key);
    std::ignore = session_->Destroy(pair.public_key);
  }
  return key;
}

}  // namespace pawl::signer
