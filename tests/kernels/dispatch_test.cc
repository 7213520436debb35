#include <gmock/gmock.h>

#include <set>
#include <string>

#include "base/cpu_features.h"
#include "kernels/kernels.h"

namespace moiety {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(AvailableKernels, BeginsWithRefAndNamesEachOnce) {
  const auto& tables = AvailableKernels();
  ASSERT_FALSE(tables.empty());
  EXPECT_STREQ(tables.front()->isa, "ref");
  std::set<std::string> names;
  for (const KernelTable* table : tables) names.insert(table->isa);
  EXPECT_EQ(names.size(), tables.size());
}

TEST(AvailableKernels, AreThoseOfTheProcessor) {
  std::set<std::string> expected = {"ref"};
  if (DetectedCpuFeatures().avx2) expected.insert("avx2");
  if (DetectedCpuFeatures().avx512) expected.insert("avx512");
  if (DetectedCpuFeatures().amx) expected.insert("amx");
  if (DetectedCpuFeatures().neon) expected.insert("neon");
  std::set<std::string> found;
  for (const KernelTable* table : AvailableKernels()) found.insert(table->isa);
  EXPECT_EQ(found, expected);
}

TEST(AvailableKernels, TablesAreComplete) {
  for (const KernelTable* table : AvailableKernels()) {
    for (const auto& matmul : table->matmul) EXPECT_NE(matmul, nullptr) << table->isa;
    for (const auto& outer : table->outer_matmul) EXPECT_NE(outer, nullptr) << table->isa;
    EXPECT_NE(table->num_calls, nullptr) << table->isa;
    EXPECT_NE(table->rms_norm, nullptr) << table->isa;
    EXPECT_NE(table->silu_mul, nullptr) << table->isa;
    EXPECT_NE(table->gelu_tanh_mul, nullptr) << table->isa;
    EXPECT_NE(table->add, nullptr) << table->isa;
    EXPECT_NE(table->axpy, nullptr) << table->isa;
    EXPECT_NE(table->sum_exp, nullptr) << table->isa;
    EXPECT_NE(table->softmax, nullptr) << table->isa;
    EXPECT_NE(table->rope, nullptr) << table->isa;
    EXPECT_NE(table->attend_tile, nullptr) << table->isa;
    EXPECT_NE(table->attend_merge, nullptr) << table->isa;
  }
}

TEST(AvailableKernels, HaveBf16ProductsWhereTheProcessorHas) {
  EXPECT_EQ(AvailableKernels().back()->matmul_bf16 != nullptr,
            DetectedCpuFeatures().avx512_bf16 || DetectedCpuFeatures().amx);
}

// Two names for the same functions would make every comparison of tables empty.
TEST(AvailableKernels, TablesDiffer) {
  const auto& tables = AvailableKernels();
  for (size_t i = 1; i < tables.size(); ++i) {
    EXPECT_NE(tables[i]->matmul[0], tables[i - 1]->matmul[0]);
    EXPECT_NE(tables[i]->attend_tile, tables[i - 1]->attend_tile);
  }
}

TEST(SelectKernels, ForcesATableByName) {
  for (const KernelTable* table : AvailableKernels()) {
    const Result<const KernelTable*> selected = SelectKernels(table->isa);
    ASSERT_TRUE(selected.ok());
    EXPECT_EQ(*selected, table);
  }
}

TEST(SelectKernels, TakesTheFastestWithoutAName) {
  ASSERT_TRUE(SelectKernels("").ok());
  EXPECT_EQ(*SelectKernels(""), AvailableKernels().back());
}

TEST(SelectKernels, UnknownNameListsWhatThereIs) {
  for (const char* name : {"sse9", "REF", "ref ", "avx"}) {
    const Result<const KernelTable*> selected = SelectKernels(name);
    ASSERT_FALSE(selected.ok()) << name;
    EXPECT_EQ(selected.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(
        selected.status().message(),
        AllOf(HasSubstr(name), HasSubstr(AvailableKernels().back()->isa), HasSubstr("ref")));
  }
}

// In this build, but not on this processor: another error than a wrong name.
TEST(SelectKernels, NameOfAnotherProcessorIsUnsupported) {
#if defined(__x86_64__)
  if (DetectedCpuFeatures().amx) GTEST_SKIP() << "this processor runs every table of the build";
  const Result<const KernelTable*> selected = SelectKernels("amx");
  ASSERT_FALSE(selected.ok());
  EXPECT_EQ(selected.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(selected.status().message(), HasSubstr("amx"));
#endif
}

}  // namespace
}  // namespace moiety
