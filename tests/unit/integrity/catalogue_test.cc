// SPDX-License-Identifier: Apache-2.0
#include "client/integrity/model/catalogue.h"

#include <gtest/gtest.h>

#include <set>

#include "base/file.h"

namespace pawl::integrity {
namespace {

TEST(CatalogueTest, IdsAreUniqueAndRowsAreGroupedByLayer) {
  std::set<std::string_view> ids;
  Layer last = Layer::kHardware;
  for (const Indicator& row : Catalogue()) {
    EXPECT_TRUE(ids.insert(row.id).second) << row.id;
    EXPECT_GE(row.layer, last) << row.id;
    last = row.layer;
    EXPECT_LE(row.level, 4) << row.id;
    EXPECT_GE(row.weight, 1) << row.id;
    EXPECT_LE(row.weight, 10) << row.id;
    EXPECT_EQ(FindIndicator(row.id), &row);
  }
  EXPECT_EQ(FindIndicator("k.nonsense"), nullptr);
}

TEST(CatalogueTest, TheDocumentIsPrintedFromTheTable) {
  const auto document = ReadFile(PAWL_SOURCE_DIR "/docs/indicators.md", 1U << 20U);
  ASSERT_TRUE(document);
  EXPECT_EQ(std::string(AsText(*document)), CatalogueMarkdown())
      << "run: pawl-fleet indicators --markdown > docs/indicators.md";
}

}  // namespace
}  // namespace pawl::integrity
