// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which target paths a delegation covers. Pure, linear or product time, no recursion: patterns come
// from signed files, but a delegated signer may be hostile.
//
// Source: TUF specification 1.0.33, section 4.5 ("paths", "path_hash_prefixes"); TAP 15.

#include <optional>
#include <string>
#include <string_view>

#include "manifest/metadata.h"

namespace pawl::manifest {

// '*' matches any run of characters but '/', '?' any one character but '/'; everything else itself,
// case-sensitive. Character classes do not exist: '[' is an ordinary character.
// Takes at most O(pattern × path) steps and no memory.
bool MatchesPattern(std::string_view pattern, std::string_view path);

// Does the delegation cover this path, by pattern or by the hex prefix of SHA-256(path)?
bool Covers(const Delegation& delegation, std::string_view path);

// The bin of `path`: prefix, '-', zero-padded hex number.
std::string BinName(const SuccinctRoles& roles, std::string_view path);
// Is `name` one of the bins?
bool IsBinName(const SuccinctRoles& roles, std::string_view name);

}  // namespace pawl::manifest
