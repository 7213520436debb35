#include "store/weight_store.h"

#include <gmock/gmock.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "format/safetensors.h"
#include "io/mapped_file.h"
#include "quant/row_codec.h"
#include "support/bits.h"
#include "support/owned_weight.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr WeightGroup kHead = {WeightKind::kHead, -1, 0};
constexpr std::array kResidencies = {Residency::kMapped, Residency::kResident};

// A model of two files: matrices of each type in one, vectors and an integer tensor in the other.
class WeightStoreTest : public testing::Test {
 protected:
  struct Made {
    DType dtype;
    Shape shape;
    std::vector<std::byte> bytes;
  };

  WeightStoreTest() {
    AddFile("a.safetensors", {{"m32", {DType::kF32, {3, 5}, {}}},
                              {"m16", {DType::kF16, {3, 7}, {}}},
                              {"mb16", {DType::kBF16, {2, 3}, {}}}});
    AddFile("b.safetensors", {{"v32", {DType::kF32, {5}, {}}},
                              {"v16", {DType::kF16, {3}, {}}},
                              {"vb16", {DType::kBF16, {33}, {}}},
                              {"ids", {DType::kI64, {2, 2}, {}}}});
  }

  void AddFile(const std::string& name, std::map<std::string, Made> tensors) {
    std::vector<TensorToWrite> list;
    uint64_t seed = 0;
    for (auto& [tensor, made] : tensors) {
      const auto count = *NumElements(made.shape);
      made.bytes = made.dtype == DType::kI64
                       ? std::vector<std::byte>(static_cast<size_t>(count) * 8)
                       : ToBytes(RandomValues(count, ++seed), made.dtype);
      list.push_back({tensor, made.dtype, made.shape, made.bytes});
    }
    const std::filesystem::path path = scratch_.path() / name;
    ASSERT_TRUE(WriteSafetensors(path, list).ok());
    auto file = *MappedFile::Open(path);
    SafetensorsHeader header = *ParseSafetensorsHeader(file->bytes(), name);
    for (auto& [tensor, info] : header.tensors) {
      info.file = static_cast<int32_t>(table_.files.size());
      table_.tensors[tensor] = info;
    }
    table_.files.push_back(std::move(file));
    made_.merge(tensors);
  }

  std::string DeclareError(const std::string& name, const Shape& shape, StatusCode code) {
    WeightStore store(table_, "the/model", Residency::kMapped, budget_);
    const Result<WeightRef> weight = store.Declare(kHead, name, shape);
    if (weight.ok()) return "no error";
    EXPECT_EQ(weight.status().code(), code);
    EXPECT_EQ(store.declared_bytes(), 0U);
    EXPECT_TRUE(store.weights().empty());
    return weight.status().message();
  }

  ScratchFolder scratch_;
  MemoryBudget budget_;
  TensorTable table_;
  std::map<std::string, Made> made_;
};

TEST_F(WeightStoreTest, KnowsItsTensors) {
  const WeightStore store(table_, "the/model", Residency::kMapped, budget_);
  EXPECT_TRUE(store.Has("m16"));
  EXPECT_FALSE(store.Has("m17"));
  EXPECT_EQ(store.num_tensors(), 7U);
  EXPECT_EQ(store.residency(), Residency::kMapped);
}

TEST_F(WeightStoreTest, MissingTensor) {
  EXPECT_THAT(DeclareError("nope", {3, 4}, StatusCode::kNotFound),
              AllOf(HasSubstr("the/model"), HasSubstr("nope"), HasSubstr("[3, 4]")));
}

TEST_F(WeightStoreTest, WrongShape) {
  for (const Shape& shape : {Shape{5, 3}, Shape{15}, Shape{3, 5, 1}, Shape{}, Shape{3, 6}}) {
    EXPECT_THAT(DeclareError("m32", shape, StatusCode::kInvalidData),
                AllOf(HasSubstr("a.safetensors"), HasSubstr("m32"), HasSubstr(ShapeString(shape)),
                      HasSubstr("[3, 5]")));
  }
}

TEST_F(WeightStoreTest, TypeThatNoKernelReads) {
  EXPECT_THAT(
      DeclareError("ids", {2, 2}, StatusCode::kUnsupported),
      AllOf(HasSubstr("b.safetensors"), HasSubstr("ids"), HasSubstr("I64"), HasSubstr("BF16")));
}

TEST_F(WeightStoreTest, MatricesKeepTheirBytes) {
  for (const Residency residency : kResidencies) {
    WeightStore store(table_, "the/model", residency, budget_);
    for (const char* name : {"m16", "m32", "mb16"})
      ASSERT_TRUE(store.Declare(kHead, name, made_[name].shape).ok());
    ASSERT_TRUE(store.Load().ok());
    ASSERT_EQ(store.weights().size(), 3U);
    for (const Weight& weight : store.weights()) {
      const Made& made = made_[weight.name];
      EXPECT_EQ(weight.dtype, made.dtype);
      EXPECT_EQ(weight.shape, made.shape);
      EXPECT_EQ(std::memcmp(weight.data, made.bytes.data(), made.bytes.size()), 0) << weight.name;
      // Mapped weights lie in the file, resident ones do not.
      const auto file = table_.files[0]->bytes();
      const bool inside = weight.data >= file.data() && weight.data < file.data() + file.size();
      EXPECT_EQ(inside, residency == Residency::kMapped) << weight.name;
    }
  }
}

TEST_F(WeightStoreTest, VectorsAreWidened) {
  for (const Residency residency : kResidencies) {
    WeightStore store(table_, "the/model", residency, budget_);
    const std::map<std::string, WeightRef> refs = {{"v32", *store.Declare(kHead, "v32", {5})},
                                                   {"v16", *store.Declare(kHead, "v16", {3})},
                                                   {"vb16", *store.Declare(kHead, "vb16", {33})}};
    ASSERT_TRUE(store.Load().ok());
    for (const auto& [name, ref] : refs) {
      const std::vector<float> expected = FromBytes(made_[name].bytes, made_[name].dtype);
      EXPECT_TRUE(SameBits({ref.f32(), expected.size()}, expected)) << name;
      EXPECT_EQ(reinterpret_cast<uintptr_t>(ref.f32()) % kCacheLineBytes, 0U);
    }
  }
}

TEST_F(WeightStoreTest, OffsetsAreAddedToVectors) {
  for (const Residency residency : kResidencies) {
    WeightStore store(table_, "the/model", residency, budget_);
    const std::map<std::string, WeightRef> refs = {{"v32", *store.Declare(kHead, "v32", {5}, 1)},
                                                   {"v16", *store.Declare(kHead, "v16", {3}, 1)}};
    ASSERT_TRUE(store.Load().ok());
    for (const auto& [name, ref] : refs) {
      std::vector<float> expected = FromBytes(made_[name].bytes, made_[name].dtype);
      for (float& value : expected) value = value + 1;
      EXPECT_TRUE(SameBits({ref.f32(), expected.size()}, expected)) << name;
    }
  }
}

// Tied embeddings: two weights, one copy.
TEST_F(WeightStoreTest, ATensorMayBeDeclaredTwice) {
  for (const Residency residency : kResidencies) {
    WeightStore store(table_, "the/model", residency, budget_);
    const WeightRef embedding = *store.Declare({WeightKind::kEmbedding, -1, 0}, "m16", {3, 7});
    const WeightRef head = *store.Declare(kHead, "m16", {3, 7});
    EXPECT_EQ(store.declared_bytes(), 3U * 7 * 2);
    ASSERT_TRUE(store.Load().ok());
    EXPECT_EQ(embedding->data, head->data);
    EXPECT_NE(embedding->data, nullptr);
    EXPECT_EQ(embedding->group.kind, WeightKind::kEmbedding);
    EXPECT_EQ(head->group, kHead);
    EXPECT_EQ(store.weights().size(), 2U);
  }
}

TEST_F(WeightStoreTest, UnusedAreThoseNobodyDeclared) {
  WeightStore store(table_, "the/model", Residency::kMapped, budget_);
  EXPECT_EQ(store.Unused().size(), 7U);
  for (const char* name : {"m16", "m32", "v16", "v32"})
    ASSERT_TRUE(store.Declare(kHead, name, made_[name].shape).ok());
  EXPECT_FALSE(store.Declare(kHead, "mb16", {1, 1}).ok());
  EXPECT_THAT(store.Unused(), ElementsAre("ids", "mb16", "vb16"));
}

TEST_F(WeightStoreTest, BudgetCountsWeightsWhereverTheyLive) {
  for (const Residency residency : kResidencies) {
    {
      WeightStore store(table_, "the/model", residency, budget_);
      ASSERT_TRUE(store.Declare(kHead, "m32", {3, 5}).ok());
      EXPECT_EQ(budget_.used_bytes(), 0U) << "declaring takes nothing";
      EXPECT_EQ(store.declared_bytes(), 60U);
      ASSERT_TRUE(store.Load().ok());
      EXPECT_EQ(budget_.used_bytes(MemoryUse::kWeights),
                residency == Residency::kMapped ? 60U : 64U);
    }
    EXPECT_EQ(budget_.used_bytes(), 0U);
  }
}

TEST_F(WeightStoreTest, BudgetThatIsTooSmall) {
  for (const Residency residency : kResidencies) {
    MemoryBudget budget(59);
    WeightStore store(table_, "the/model", residency, budget);
    ASSERT_TRUE(store.Declare(kHead, "m32", {3, 5}).ok());
    const Status status = store.Load();
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
    EXPECT_THAT(status.message(), AllOf(HasSubstr("weights"), HasSubstr("59 B")));
    EXPECT_EQ(budget.used_bytes(), 0U);
  }
}

TEST_F(WeightStoreTest, NothingDeclaredLoadsNothing) {
  WeightStore store(table_, "the/model", Residency::kResident, budget_);
  EXPECT_TRUE(store.Load().ok());
  EXPECT_THAT(store.weights(), IsEmpty());
  EXPECT_EQ(budget_.used_bytes(), 0U);
}

TEST_F(WeightStoreTest, AFileThatBecameShorterIsAnError) {
  WeightStore store(table_, "the/model", Residency::kResident, budget_);
  ASSERT_TRUE(store.Declare(kHead, "m32", {3, 5}).ok());
  std::filesystem::resize_file(scratch_.path() / "a.safetensors", 16);
  const Status status = store.Load();
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("a.safetensors"), HasSubstr("ended before byte")));
}

// The format aligns nothing: a matrix may begin at any byte of its file.
TEST_F(WeightStoreTest, MisalignedTensorsAreCopied) {
  const std::vector<float> values = RandomValues(6, 9);
  const std::vector<std::byte> f32 = ToBytes(values, DType::kF32);
  const std::vector<std::byte> bf16 = ToBytes(values, DType::kBF16);
  std::string raw(40, 'x');
  std::memcpy(raw.data() + 2, f32.data(), 24);    // not a multiple of 4
  std::memcpy(raw.data() + 27, bf16.data(), 12);  // not a multiple of 2
  TensorTable table;
  table.files.push_back(*MappedFile::Open(scratch_.Write("raw", raw)));
  table.tensors["wide"] = {DType::kF32, {2, 3}, 0, 2, 24};
  table.tensors["narrow"] = {DType::kBF16, {3, 2}, 0, 27, 12};
  table.tensors["vector"] = {DType::kBF16, {6}, 0, 27, 12};
  for (const Residency residency : kResidencies) {
    WeightStore store(table, "raw", residency, budget_);
    const WeightRef wide = *store.Declare(kHead, "wide", {2, 3});
    const WeightRef narrow = *store.Declare(kHead, "narrow", {3, 2});
    const WeightRef vector = *store.Declare(kHead, "vector", {6});
    ASSERT_TRUE(store.Load().ok());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(wide->data) % 4, 0U);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(narrow->data) % 2, 0U);
    EXPECT_EQ(std::memcmp(wide->data, f32.data(), 24), 0);
    EXPECT_EQ(std::memcmp(narrow->data, bf16.data(), 12), 0);
    EXPECT_TRUE(SameBits({vector.f32(), 6}, FromBytes(bf16, DType::kBF16)));
  }
}

// Blocks that products read go to panels of our own; what is only looked up in stays mapped.
TEST_F(WeightStoreTest, BlocksAreRepacked) {
  constexpr int64_t kRows = 2 * 1024 + 24;  // more than tasks copy; some behind the last panel
  const auto rows = static_cast<size_t>(kRows);
  std::string raw(1 + 2 * rows * 288 + rows * 34, 'x');
  for (size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<char>(i * 31 % 127);
  TensorTable table;
  table.files.push_back(*MappedFile::Open(scratch_.Write("blocks", raw)));
  table.tensors["used"] = {DType::kQ4_K, {kRows, 512}, 0, 1, rows * 288};
  table.tensors["tied"] = {DType::kQ4_K, {kRows, 512}, 0, 1 + rows * 288, rows * 288};
  table.tensors["looked_up"] = {DType::kQ8_0, {kRows, 32}, 0, 1 + 2 * rows * 288, rows * 34};
  constexpr WeightGroup kEmbedding = {WeightKind::kEmbedding, -1, 0};
  ThreadPool pool(2);
  for (const Residency residency :
       {Residency::kMapped, Residency::kRepacked, Residency::kResident}) {
    MemoryBudget budget;
    WeightStore store(table, "blocks", residency, budget, &pool);
    const WeightRef used = *store.Declare(kHead, "used", {kRows, 512});
    const WeightRef tied = *store.Declare(kEmbedding, "tied", {kRows, 512});
    ASSERT_TRUE(store.Declare(kHead, "tied", {kRows, 512}).ok());
    const WeightRef looked_up = *store.Declare(kEmbedding, "looked_up", {kRows, 32});
    ASSERT_TRUE(store.Load().ok());
    EXPECT_EQ(store.residency(), residency);
    const bool mapped = residency == Residency::kMapped;
    EXPECT_EQ(used->layout, mapped ? BlockLayout::kRows : BlockLayout::kPanels);
    EXPECT_EQ(tied->layout, used->layout);
    EXPECT_EQ(looked_up->layout, BlockLayout::kRows);
    EXPECT_EQ(store.mapped_bytes(), mapped                              ? raw.size() - 1
                                    : residency == Residency::kResident ? 0
                                                                        : rows * 34);
    EXPECT_GE(budget.used_bytes(), raw.size() - 1);
    EXPECT_LE(budget.used_bytes(), raw.size() + 3 * kCacheLineBytes);
    for (const WeightRef& weight : {used, tied, looked_up}) {
      const int64_t cols = weight.cols();
      const TensorInfo& info = table.tensors[weight->name];
      std::vector<float> expected(static_cast<size_t>(cols));
      std::vector<float> got(static_cast<size_t>(cols));
      for (int64_t row = 0; row < kRows; ++row) {
        DecodeRow(info.dtype,
                  table.files[0]->bytes().data() + info.offset +
                      static_cast<uint64_t>(row) * info.size_bytes / rows,
                  cols, expected.data());
        DecodeRowOf(*weight.operator->(), row, got.data());
        ASSERT_TRUE(SameBits(got, expected)) << weight->name << " " << row;
      }
    }
  }
}

// Every type of file becomes f32 in memory of our own, which the model sees change.
TEST_F(WeightStoreTest, TrainedWeightsAreF32) {
  for (const bool with_pool : {false, true}) {
    ThreadPool pool(2);
    WeightStore store(table_, "the/model", Residency::kTrained, budget_,
                      with_pool ? &pool : nullptr);
    std::map<std::string, WeightRef> refs;
    uint64_t values = 0;
    for (const auto& [name, made] : made_) {
      if (made.dtype == DType::kI64) continue;
      refs[name] = *store.Declare(kHead, name, made.shape, name == "v16" ? 1.0F : 0.0F);
      values += RoundUp(static_cast<size_t>(*NumElements(made.shape)) * 4, kCacheLineBytes);
    }
    EXPECT_EQ(budget_.used_bytes(), 0U);
    ASSERT_TRUE(store.Load().ok());
    EXPECT_EQ(store.mapped_bytes(), 0U);
    EXPECT_EQ(budget_.used_bytes(MemoryUse::kWeights), values);
    for (const auto& [name, ref] : refs) {
      std::vector<float> expected = FromBytes(made_[name].bytes, made_[name].dtype);
      for (float& value : expected) value = value + (name == "v16" ? 1.0F : 0.0F);
      EXPECT_EQ(ref->dtype, DType::kF32) << name;
      EXPECT_EQ(ref->layout, BlockLayout::kRows) << name;
      const std::span<float> own = store.Values(ref);
      EXPECT_TRUE(SameBits(own, expected)) << name;
      own[1] = 0.125F;
      EXPECT_EQ(ref.f32()[1], 0.125F) << name;
    }
  }
}

// Blocks too, whatever the rows of a task, and with another tensor's rows behind them.
TEST_F(WeightStoreTest, TrainedBlocksAreDecoded) {
  constexpr int64_t kRows = 1024 + 37;
  ThreadPool pool(2);
  for (const DType dtype : {DType::kQ8_0, DType::kQ4_0, DType::kQ4_K, DType::kMXFP4}) {
    const std::vector<float> values = RandomValues(kRows * 256, 12);
    const size_t row_bytes = DTypeBytes(dtype, 256);
    std::vector<std::byte> bytes(row_bytes * kRows);
    std::vector<float> expected(values.size());
    for (int64_t row = 0; row < kRows; ++row) {
      std::byte* const at = bytes.data() + static_cast<size_t>(row) * row_bytes;
      EncodeRow(dtype, &values[static_cast<size_t>(row) * 256], nullptr, 256, at);
      DecodeRow(dtype, at, 256, &expected[static_cast<size_t>(row) * 256]);
    }
    std::string raw(1 + bytes.size() + 100, 'x');  // at an odd byte
    std::memcpy(raw.data() + 1, bytes.data(), bytes.size());
    TensorTable table;
    table.files.push_back(*MappedFile::Open(scratch_.Write("blocks", raw)));
    table.tensors["m"] = {dtype, {kRows, 256}, 0, 1, bytes.size()};
    WeightStore store(table, "blocks", Residency::kTrained, budget_, &pool);
    const WeightRef m = *store.Declare(kHead, "m", {kRows, 256});
    ASSERT_TRUE(store.Load().ok());
    EXPECT_EQ(m->layout, BlockLayout::kRows);
    EXPECT_TRUE(SameBits(store.Values(m), expected)) << DTypeName(dtype);
  }
}

TEST_F(WeightStoreTest, TrainedWeightsThatAreTied) {
  WeightStore store(table_, "the/model", Residency::kTrained, budget_);
  const WeightRef embedding = *store.Declare({WeightKind::kEmbedding, -1, 0}, "m16", {3, 7});
  const WeightRef head = *store.Declare(kHead, "m16", {3, 7});
  ASSERT_TRUE(store.Load().ok());
  EXPECT_EQ(budget_.used_bytes(MemoryUse::kWeights), 128U) << "once";
  EXPECT_EQ(store.Values(embedding).data(), store.Values(head).data());
}

TEST_F(WeightStoreTest, TrainedWeightsOfFilesThatBecameShorter) {
  WeightStore store(table_, "the/model", Residency::kTrained, budget_);
  ASSERT_TRUE(store.Declare(kHead, "m32", {3, 5}).ok());
  std::filesystem::resize_file(scratch_.path() / "a.safetensors", 16);
  EXPECT_EQ(store.Load().code(), StatusCode::kIoError);
}

TEST_F(WeightStoreTest, TrainedWeightsBeyondTheBudget) {
  MemoryBudget budget(100);  // enough for the file's f16, not for f32
  WeightStore store(table_, "the/model", Residency::kTrained, budget);
  ASSERT_TRUE(store.Declare(kHead, "m16", {3, 7}).ok());
  EXPECT_EQ(store.Load().code(), StatusCode::kResourceExhausted);
}

// Without files every declared tensor is there.
TEST(RandomStore, WeightsAreMadeAsDeclared) {
  ThreadPool pool(2);
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    MemoryBudget budget;
    WeightStore store({dtype, 7}, "shape.json", budget, pool);
    EXPECT_EQ(store.residency(), Residency::kResident);
    ASSERT_TRUE(store.random().has_value());
    const WeightRef matrix = *store.Declare({WeightKind::kEmbedding, -1, 0}, "m.weight", {3, 50});
    const WeightRef tied = *store.Declare(kHead, "m.weight", {3, 50});
    const WeightRef gain = *store.Declare(kHead, "norm.weight", {5});
    EXPECT_FALSE(store.Declare(kHead, "m.weight", {50, 3}).ok()) << "another shape";
    EXPECT_EQ(store.declared_bytes(), DTypeBytes(dtype, 150 + 5));
    ASSERT_TRUE(store.Load().ok());
    EXPECT_EQ(budget.used_bytes(MemoryUse::kWeights), RoundUp(DTypeBytes(dtype, 150), 64) + 64);
    EXPECT_EQ(matrix->dtype, dtype);
    EXPECT_EQ(matrix->data, tied->data);
    std::vector<std::byte> expected(DTypeBytes(dtype, 150));
    if (dtype == DType::kF32) {
      EXPECT_EQ(reinterpret_cast<std::byte*>(store.Values(matrix).data()), matrix->data);
      EXPECT_EQ(store.Values(gain).size(), 5U);
    }
    FillRandomMatrix(pool, {dtype, 7}, "m.weight", 150, expected.data());
    EXPECT_EQ(std::memcmp(matrix->data, expected.data(), expected.size()), 0);
    EXPECT_TRUE(SameBits({gain.f32(), 5}, std::vector<float>(5, 1.0F)));
    EXPECT_THAT(store.Unused(), IsEmpty());
  }
}

// A config can ask for anything; the error comes before the memory is filled.
TEST(RandomStore, MoreThanTheMemoryIsAnErrorOfTheDeclaration) {
  ThreadPool pool(1);
  MemoryBudget budget(1000);
  WeightStore store({DType::kBF16, 1}, "shape.json", budget, pool);
  EXPECT_TRUE(store.Declare(kHead, "a", {20, 20}).ok());
  const Result<WeightRef> too_much = store.Declare(kHead, "b", {10, 11});
  ASSERT_FALSE(too_much.ok());
  EXPECT_EQ(too_much.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(too_much.status().message(), AllOf(HasSubstr("shape.json"), HasSubstr("1.00 kB")));
  MemoryBudget unlimited;
  WeightStore machine({DType::kBF16, 1}, "shape.json", unlimited, pool);
  const int64_t large = INT32_MAX;
  EXPECT_FALSE(machine.Declare(kHead, "a", {large, large}).ok());
}

}  // namespace
}  // namespace moiety
