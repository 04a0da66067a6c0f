// SPDX-License-Identifier: Apache-2.0
// key new, key show, key passwd, key list.

#include "base/file.h"
#include "base/format.h"
#include "signer/commands.h"
#include "signer/token_commands.h"

namespace pawl::signer {
namespace {

struct NewOptions {
  std::string name;
  std::optional<std::string> out;
  std::optional<std::string> token;
  std::optional<std::string> type;
  std::optional<std::uint64_t> passphrase_fd;
};

// A new passphrase: once from a descriptor, twice from a person.
Result<SecretBuffer> ReadNewPassphrase(std::optional<std::uint64_t> fd, const std::string& name) {
  PAWL_ASSIGN_OR_RETURN(SecretBuffer first,
                        ReadPassphrase(fd, Format("new passphrase of {}", name)));
  if (fd) return first;
  PAWL_ASSIGN_OR_RETURN(const SecretBuffer second, ReadPassphrase(fd, "the same once more"));
  if (SecretEqual(first.view(), second.view())) return first;
  return Fail(ErrorCode::kPassphraseWrong, "the two passphrases differ; nothing was written");
}

Result<Answer> NewFile(const NewOptions& options, const std::string& out) {
  for (const std::string& path : {out, out + ".pub"}) {
    if (PathExists(path)) return Fail(ErrorCode::kOutputExists, Format("{} exists already", path));
  }
  PAWL_ASSIGN_OR_RETURN(const Ed25519Key key, Ed25519Key::Generate());
  PAWL_ASSIGN_OR_RETURN(const NamedKey named, MakeNamedKey(options.name, key.public_key()));
  PAWL_ASSIGN_OR_RETURN(const SecretBuffer passphrase,
                        ReadNewPassphrase(options.passphrase_fd, options.name));
  PAWL_ASSIGN_OR_RETURN(const std::string text, SealKey(options.name, key, passphrase));
  PAWL_TRY(CreateNewFile(out, AsBytes(text), 0600));
  PAWL_TRY(CreateNewFile(out + ".pub", AsBytes(EncodePublicKey(named)), 0644));
  Answer answer{Format("wrote {} (secret, encrypted: keep a copy offline) and {}.pub (to share)\n"
                       "key id of {}: {}\n"
                       "next: give {}.pub to whoever runs pawl-signer init\n",
                       out, out, named.name, named.keyid, out),
                KeyJson(named)};
  answer.json["file"] = out;
  return answer;
}

Result<Answer> New(const NewOptions& options) {
  if (options.token) {
    return NewTokenKey(
        {*options.token, options.name, options.out, options.type, options.passphrase_fd});
  }
  if (options.type) {
    return Fail(ErrorCode::kUsage, "--type goes with --token; keys in files are Ed25519");
  }
  if (!options.out) {
    return Fail(ErrorCode::kUsage, "expected --out FILE for a key file, or --token URI");
  }
  return NewFile(options, *options.out);
}

struct FileOptions {
  std::string file;
  std::optional<std::string> name;
  std::optional<std::string> out;
  std::optional<std::uint64_t> passphrase_fd;
};

Result<Answer> Show(const FileOptions& options) {
  if (IsTokenUri(options.file)) {
    return ShowTokenKey({options.file, options.name, options.out, {}, options.passphrase_fd});
  }
  if (options.name || options.out) {
    return Fail(ErrorCode::kUsage,
                "--name and --out go with a pkcs11: URI; a key file has its .pub");
  }
  if (options.file.ends_with(".pub")) {
    PAWL_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(options.file, kMaxKeyFileBytes));
    PAWL_ASSIGN_OR_RETURN(const NamedKey key, ParsePublicKey(bytes, options.file));
    return Answer{Format("{}: public key of {}\n  key id  {}\n  public  {}\n", options.file,
                         key.name, key.keyid, DescribeKey(key)),
                  KeyJson(key)};
  }
  PAWL_ASSIGN_OR_RETURN(const Bytes bytes, ReadKeyFile(options.file));
  PAWL_ASSIGN_OR_RETURN(const SealedKey sealed, ParseKeyFile(bytes, options.file));
  const NamedKey& key = sealed.named;
  Answer answer{Format("{}: secret key of {}, encrypted\n  key id  {}\n  public  {}\n"
                       "  one guess at the passphrase costs {} MiB of memory, {} passes\n",
                       options.file, key.name, key.keyid, DescribeKey(key),
                       sealed.cost.memory_bytes >> 20U, sealed.cost.passes),
                KeyJson(key)};
  answer.json["memory_bytes"] = sealed.cost.memory_bytes;
  answer.json["passes"] = sealed.cost.passes;
  return answer;
}

Result<Answer> Passwd(const FileOptions& options) {
  if (IsTokenUri(options.file)) {
    return Fail(ErrorCode::kUsage,
                "the PIN of a token is changed with its vendor's tool, or with: "
                "pkcs11-tool --module PATH --login --change-pin");
  }
  PAWL_ASSIGN_OR_RETURN(const OpenedKey key, OpenKeyFile(options.file, options.passphrase_fd));
  PAWL_ASSIGN_OR_RETURN(const SecretBuffer passphrase,
                        ReadNewPassphrase(options.passphrase_fd, key.named.name));
  PAWL_ASSIGN_OR_RETURN(const std::string text, SealKey(key.named.name, key.key, passphrase));
  PAWL_TRY(AtomicWriteFile(options.file, AsBytes(text), 0600));
  Answer answer{
      Format("{} now opens with the new passphrase; old copies still open with the old one\n",
             options.file),
      KeyJson(key.named)};
  return answer;
}

void BindFile(Arguments& arguments, FileOptions& options) {
  arguments.Positional("FILE", options.file, "a key file, its .pub, or a pkcs11: URI");
}

}  // namespace

std::vector<Command> KeyCommands() {
  return {
      {"key new", "--name NAME (--out FILE | --token URI) [--passphrase-fd N]",
       "make a signing key in an encrypted file or a token",
       "pawl-signer key new --name anna --out anna.key",
       Declare<NewOptions>(
           [](Arguments& arguments, NewOptions& options) {
             arguments.Option("--name", options.name, "whose key it is, as anna", true);
             arguments.Option(
                 "--out", options.out,
                 "the file to write; FILE.pub comes beside it (with --token: the .pub)");
             arguments.Option("--token", options.token,
                              "pkcs11: URI of the token to make the key in");
             arguments.Option("--type", options.type,
                              "with --token: ed25519 or p256 (else the best that it has)");
             arguments.Option("--passphrase-fd", options.passphrase_fd,
                              "read the passphrase or PIN from this descriptor");
           },
           New)},
      {"key show", "FILE [--name NAME] [--out FILE.pub]", "show name and key id of a key",
       "pawl-signer key show anna.key.pub",
       Declare<FileOptions>(
           [](Arguments& arguments, FileOptions& options) {
             BindFile(arguments, options);
             arguments.Option("--out", options.out, "write the public key of a token's key here");
             arguments.Option("--name", options.name, "whose key it is (else the token's label)");
             arguments.Option("--passphrase-fd", options.passphrase_fd,
                              "read the PIN from this descriptor, if the token wants it for this");
           },
           Show)},
      ListTokensCommand(),
      {"key passwd", "FILE [--passphrase-fd N]", "change the passphrase of a key file",
       "pawl-signer key passwd anna.key",
       Declare<FileOptions>(
           [](Arguments& arguments, FileOptions& options) {
             BindFile(arguments, options);
             arguments.Option(
                 "--passphrase-fd", options.passphrase_fd,
                 "read the old and the new passphrase from this descriptor, a line each");
           },
           Passwd)},
  };
}

}  // namespace pawl::signer
