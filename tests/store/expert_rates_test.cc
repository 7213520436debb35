#include "store/expert_rates.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <string>
#include <vector>

#include "io/mapped_file.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::FloatEq;

constexpr CacheShape kRatesShape = {2, 3};

TEST(ExpertRates, ReadsWhatWasWrittenForTheSameShape) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "a" / "b.rates";
  const ExpertRates rates = {0, 0.25F, 1, 0.5F, 0.125F, 0};
  EXPECT_EQ(ReadExpertRates(path, kRatesShape), std::nullopt);
  ASSERT_TRUE(WriteExpertRates(path, kRatesShape, rates).ok());
  EXPECT_EQ(ReadExpertRates(path, kRatesShape), rates);
  EXPECT_EQ(ReadExpertRates(path, {3, 2}), std::nullopt);
  EXPECT_EQ(ReadExpertRates(path, {2, 4}), std::nullopt);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  EXPECT_EQ(ReadExpertRates(path, kRatesShape), std::nullopt);
  ASSERT_TRUE(WriteExpertRates(path, kRatesShape, {0, 0, 0, 0, 0, 2}).ok());
  EXPECT_EQ(ReadExpertRates(path, kRatesShape), std::nullopt) << "2 is no rate";
  EXPECT_EQ(WriteExpertRates("/proc/nowhere/x", kRatesShape, rates).code(), StatusCode::kIoError);
}

TEST(ExpertRates, CountsGoOnWhereEarlierRunsEnded) {
  ExpertRateCounter first(kRatesShape, nullptr);
  for (int i = 0; i < 4; ++i) first.OnVisit(1, std::vector{3, i % 2 == 0 ? 4 : 5});
  const ExpertRates rates = first.rates();
  EXPECT_THAT(rates, ElementsAre(0, 0, 0, FloatEq(1), FloatEq(0.5F), FloatEq(0.5F)));
  ExpertRateCounter second(kRatesShape, &rates);
  for (int i = 0; i < 1000; ++i) second.OnVisit(1, std::vector{4});
  EXPECT_THAT(second.rates(), ElementsAre(0, 0, 0, FloatEq(0.5F), FloatEq(0.75F), FloatEq(0.25F)));
}

TEST(ExpertRates, NamesTellModelsApart) {
  const ScratchFolder scratch;
  TensorTable table;
  table.files = {*MappedFile::Open(scratch.Write("a", std::string(5000, 'a')))};
  table.tensors["router"] = {DType::kF32, {2, 4}, 0, 8, 32};
  table.tensors["other"] = {DType::kF32, {2}, 0, 64, 8};
  const std::vector<std::string> routers = {"router"};
  const std::string name = ExpertRatesName(table, routers);
  EXPECT_EQ(name.size(), 16U);
  EXPECT_EQ(ExpertRatesName(table, routers), name);
  TensorTable moved = table;
  moved.tensors["other"].offset = 72;
  EXPECT_NE(ExpertRatesName(moved, routers), name);
  std::string bytes(5000, 'a');
  bytes[10] = 'b';
  table.files = {*MappedFile::Open(scratch.Write("b", bytes))};
  EXPECT_NE(ExpertRatesName(table, routers), name) << "the router is another";
}

}  // namespace
}  // namespace moiety
