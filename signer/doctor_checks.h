// SPDX-License-Identifier: Apache-2.0
#pragma once

// The parts of `repo doctor`. Internal to repo_doctor.cc.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "manifest/release.h"
#include "signer/repo_doctor.h"

namespace pawl::signer {

// What all parts share: where the repository is and where findings go.
class DoctorRound {
 public:
  DoctorRound(Web& web, const DoctorRequest& request, DoctorReport& report);

  const DoctorRequest& request() const { return request_; }
  DoctorReport& report() { return report_; }
  Web& web() { return web_; }
  const std::string& base() const { return base_; }  // ends in '/'

  void Add(Verdict verdict, std::string check, std::string text, std::string hint = {});
  // GET as the agent asks, at most `max_bytes`.
  Result<WebAnswer> Get(const std::string& path, std::uint64_t max_bytes);
  Result<WebAnswer> Ask(WebRequest request, const std::string& path);

 private:
  Web& web_;
  const DoctorRequest& request_;
  DoctorReport& report_;
  std::string base_;
};

// A payload that a listed release refers to.
struct ServedFile {
  manifest::FileReference file;
  std::uint64_t head_length = 0;  // of a container; 0 for other files
  Sha256Digest head_sha256;
};
// Of all releases, each file once; the largest first.
std::vector<ServedFile> ServedFilesOf(const std::vector<manifest::ReleaseManifest>& releases);

// timestamp.json: its life, the clock, what caches do to it.
void CheckTimestamp(DoctorRound& round);
// Long lives of everything else; `sample` is a versioned file.
void CheckLongLife(DoctorRound& round, const std::string& sample);
// Bytes as they are, with their length.
void CheckEncoding(DoctorRound& round, const std::vector<std::string>& samples);
void CheckListings(DoctorRound& round);
// Ranges of `sample`, which has `length` bytes.
void CheckRanges(DoctorRound& round, const std::string& sample, std::uint64_t length);
// Every payload is there and as long as signed; heads of containers, or with hash_payloads all
// bytes, are what is signed.
void CheckPayloads(DoctorRound& round, const std::vector<ServedFile>& files);
// The workspace's public/ against what is served.
void CompareWithLocal(DoctorRound& round);

}  // namespace pawl::signer
