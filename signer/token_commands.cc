// SPDX-License-Identifier: Apache-2.0
#include "signer/token_commands.h"

#include <algorithm>

#include "base/file.h"
#include "base/format.h"
#include "manifest/release.h"
#include "signer/commands.h"
#include "signer/key_source.h"

namespace pawl::signer {
namespace {

Result<TokenKeyType> ChooseType(const TokenFacts& facts, const std::optional<std::string>& wanted) {
  if (wanted && *wanted != "ed25519" && *wanted != "p256") {
    return Fail(ErrorCode::kUsage, Format("expected --type ed25519 or p256, found '{}'", *wanted));
  }
  for (const TokenKeyType type : facts.makes) {
    if (!wanted || (*wanted == "p256") == (type == TokenKeyType::kP256)) return type;
  }
  return Fail(ErrorCode::kTokenMechanism,
              Format("the token '{}' does not make {} keys", facts.label,
                     !wanted             ? "Ed25519 or P-256"
                     : *wanted == "p256" ? NameOf(TokenKeyType::kP256)
                                         : NameOf(TokenKeyType::kEd25519)));
}

Status WritePublicKey(const std::string& path, const NamedKey& key) {
  return CreateNewFile(path, AsBytes(EncodePublicKey(key)), 0644);
}

Status CheckFree(const std::string& path) {
  if (!PathExists(path)) return {};
  return Fail(ErrorCode::kOutputExists, Format("{} exists already", path));
}

Json TokenKeyJson(const TokenKey& key, const NamedKey& named) {
  Json json = KeyJson(named);
  json["type"] = NameOf(key.type);
  json["uri"] = FormatTokenUri(key.uri);
  return json;
}

std::string Shown(const std::optional<std::string>& text) {
  std::string out = text.value_or("");
  std::ranges::replace_if(out, [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

struct ListOptions {
  std::string module_path;
};

// The keys that a token shows without its PIN, one line and one object each.
Status ListKeys(const TokenFacts& facts, std::string& text, Json& keys) {
  PAWL_ASSIGN_OR_RETURN(const auto token, Token::Open(facts.uri, TokenAccess::kRead));
  PAWL_ASSIGN_OR_RETURN(const auto found, token->Keys(facts.uri));
  for (const TokenKey& key : found) {
    PAWL_ASSIGN_OR_RETURN(const NamedKey named, key.Named(key.SuggestedName()));
    text += Format("    {}  {}  {}\n      {}\n", named.name, NameOf(key.type),
                   named.keyid.substr(0, 16), FormatTokenUri(key.uri));
    keys.push_back(TokenKeyJson(key, named));
  }
  if (found.empty()) text += "    no Ed25519 or P-256 key shows without the PIN\n";
  return {};
}

std::string_view PinState(const TokenFacts& facts) {
  if (!facts.needs_pin) return "none needed";
  if (facts.pin_locked) return "locked";
  if (!facts.pin_set) return "not set";
  if (facts.pin_final_try) return "one try left";
  if (facts.pin_low) return "last one given was wrong";
  return "ready";
}

Result<Answer> List(const ListOptions& options) {
  if (!options.module_path.starts_with('/')) {
    return Fail(ErrorCode::kUsage,
                Format("expected --module /ABSOLUTE/PATH, found '{}'", options.module_path));
  }
  PAWL_ASSIGN_OR_RETURN(const auto tokens, ListTokens(options.module_path));
  Answer answer{"", Json{{"schema", "pawl.token-list/1"}, {"tokens", Json::array()}}};
  for (const TokenFacts& facts : tokens) {
    std::vector<std::string> makes;
    for (const TokenKeyType type : facts.makes) makes.emplace_back(NameOf(type));
    answer.text +=
        Format("{}  serial {}  makes {}  PIN: {}\n", facts.label, Shown(facts.uri.serial),
               makes.empty() ? "no keys for Pawl" : Join(makes, " and "), PinState(facts));
    Json keys = Json::array();
    PAWL_TRY(ListKeys(facts, answer.text, keys));
    answer.json["tokens"].push_back(Json{{"label", facts.label},
                                         {"uri", FormatTokenUri(facts.uri)},
                                         {"makes", makes},
                                         {"pin", PinState(facts)},
                                         {"keys", std::move(keys)}});
  }
  if (tokens.empty()) answer.text = "there is no token\n";
  return answer;
}

}  // namespace

Result<Answer> NewTokenKey(const TokenKeyOptions& options) {
  const std::string out = options.out.value_or(*options.name + ".pub");
  PAWL_TRY(CheckFree(out));
  if (!manifest::IsPlainName(*options.name)) {
    return Fail(
        ErrorCode::kInputInvalid,
        Format("expected a plain key name ([a-z0-9][a-z0-9._-]*), found '{}'", *options.name));
  }
  PAWL_ASSIGN_OR_RETURN(const TokenUri uri, ParseTokenUri(options.uri));
  if (uri.object || uri.id) {
    return Fail(ErrorCode::kUsage, "expected --token to name a token alone, without object and id");
  }
  PAWL_ASSIGN_OR_RETURN(const auto token, Token::Open(uri, TokenAccess::kWrite));
  PAWL_ASSIGN_OR_RETURN(const TokenFacts facts, token->Facts());
  PAWL_ASSIGN_OR_RETURN(const TokenKeyType type, ChooseType(facts, options.type));
  PAWL_TRY(AskPin(*token, options.passphrase_fd));
  PAWL_ASSIGN_OR_RETURN(const TokenKey key, token->MakeKey(*options.name, type));
  PAWL_ASSIGN_OR_RETURN(const NamedKey named, key.Named(*options.name));
  const std::string name = FormatTokenUri(key.uri);
  if (auto written = WritePublicKey(out, named); !written) {
    return FailIn(Format("the key is made; write {} with: pawl-signer key show '{}' --out FILE.pub",
                         out, name),
                  std::move(written).error());
  }
  Answer answer{Format("made a key ({}) in the token '{}'; it cannot be copied out of it\n{}"
                       "key id of {}: {}\nsign with --key '{}'\n"
                       "next: give {} to whoever runs pawl-signer init\n",
                       NameOf(type), facts.label,
                       options.type || type == TokenKeyType::kEd25519
                           ? ""
                           : "note: P-256, since this token does not make Ed25519 keys\n",
                       named.name, named.keyid, name, out),
                TokenKeyJson(key, named)};
  answer.json["file"] = out;
  return answer;
}

Result<Answer> ShowTokenKey(const TokenKeyOptions& options) {
  if (options.out) PAWL_TRY(CheckFree(*options.out));
  PAWL_ASSIGN_OR_RETURN(const FoundTokenKey found,
                        FindTokenKey(options.uri, options.passphrase_fd));
  const TokenKey& key = found.key;
  PAWL_ASSIGN_OR_RETURN(const NamedKey named,
                        key.Named(options.name.value_or(key.SuggestedName())));
  Answer answer{Format("{}\n  key in a token, of {}\n  key id  {}\n  public  {}\n",
                       FormatTokenUri(key.uri), named.name, named.keyid, DescribeKey(named)),
                TokenKeyJson(key, named)};
  if (!options.out) return answer;
  PAWL_TRY(WritePublicKey(*options.out, named));
  answer.text += Format("wrote {}\n", *options.out);
  answer.json["file"] = *options.out;
  return answer;
}

Command ListTokensCommand() {
  return {"key list", "--module PATH", "list tokens and the keys in them",
          "pawl-signer key list --module /usr/lib/softhsm/libsofthsm2.so",
          Declare<ListOptions>(
              [](Arguments& arguments, ListOptions& options) {
                arguments.Option("--module", options.module_path,
                                 "the PKCS#11 library of the token's vendor", true);
              },
              List)};
}

}  // namespace pawl::signer
