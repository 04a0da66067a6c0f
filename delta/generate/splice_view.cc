// SPDX-License-Identifier: Apache-2.0
#include "delta/generate/splice_view.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace pawl::delta {

void SpliceView::Add(std::uint64_t begin, std::uint64_t length, RandomReader& reader,
                     std::uint64_t offset) {
  if (length == 0) return;
  parts_.push_back({begin, length, &reader, offset});
  size_ = begin + length;
}

Status SpliceView::ReadAt(std::uint64_t offset, ByteSpan out) {
  if (!Contains(size_, offset, out.size())) {
    return Fail(ErrorCode::kIo, "read behind the end of a view");
  }
  auto part = std::ranges::upper_bound(parts_, offset, {}, &Part::begin);
  if (part != parts_.begin()) --part;
  while (!out.empty()) {
    while (part != parts_.end() && part->begin + part->length <= offset) ++part;
    const bool inside = part != parts_.end() && part->begin <= offset;
    const std::uint64_t end = part == parts_.end() ? size_
                              : inside             ? part->begin + part->length
                                                   : part->begin;
    const ByteSpan here =
        out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), end - offset)));
    if (inside) {
      PAWL_TRY(part->reader->ReadAt(part->offset + (offset - part->begin), here));
    } else {
      std::ranges::fill(here, std::uint8_t{0});
    }
    out = out.subspan(here.size());
    offset += here.size();
  }
  return {};
}

Result<ScratchFile> ScratchFile::Create(const std::string& directory) {
  std::string path = directory;
  if (path.empty()) {
    const char* named = getenv("TMPDIR");
    path = named != nullptr && named[0] != '\0' ? named : "/tmp";
  }
  path += "/pawl-scratch-XXXXXX";
  UniqueFd fd(mkostemp(path.data(), O_CLOEXEC));
  if (!fd.valid()) return std::unexpected(ErrnoError(errno, path));
  unlink(path.c_str());
  return ScratchFile(std::move(fd));
}

Result<std::uint64_t> ScratchFile::Append(ByteView bytes) {
  const std::uint64_t begin = size_;
  PAWL_TRY(WriteExactAt(fd_.get(), begin, bytes, "scratch file"));
  size_ += bytes.size();
  return begin;
}

Status ScratchFile::ReadAt(std::uint64_t offset, ByteSpan out) {
  return ReadExactAt(fd_.get(), offset, out, "scratch file");
}

}  // namespace pawl::delta
