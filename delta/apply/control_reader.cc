// SPDX-License-Identifier: Apache-2.0
#include "delta/apply/control_reader.h"

#include <algorithm>

namespace pawl::delta {

Status ControlReader::Refill() {
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
            buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
  end_ -= begin_;
  begin_ = 0;
  const auto more =
      static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size() - end_, stream_.remaining()));
  PAWL_TRY(stream_.Read(ByteSpan(buffer_).subspan(end_, more)));
  end_ += more;
  return {};
}

Result<Operation> ControlReader::Next() {
  if (end_ - begin_ < kMaxOperationBytes && stream_.remaining() != 0) PAWL_TRY(Refill());
  ByteReader in(ByteView(buffer_).subspan(begin_, end_ - begin_));
  PAWL_ASSIGN_OR_RETURN(const Operation operation, ReadOperation(in));
  begin_ += in.position();
  return operation;
}

}  // namespace pawl::delta
