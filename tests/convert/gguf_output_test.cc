#include "convert/gguf_output.h"

#include <gmock/gmock.h>

#include <cmath>
#include <string>
#include <vector>

#include "format/gguf_model.h"
#include "quant/row_codec.h"
#include "support/paths.h"
#include "support/scratch_folder.h"
#include "support/tiny_model.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Result<GgufReport> Write(const std::filesystem::path& model, const std::filesystem::path& out,
                         const char* type, const GgufOutputOptions& options = {},
                         const WriteProgress& progress = nullptr, int threads = 2) {
  MOIETY_ASSIGN_OR_RETURN(const GgufInput input, OpenGgufInput(model));
  const TypeMix& mix = *FindTypeMix(type);
  TypeOptions type_options;
  type_options.has_importance = options.imatrix != nullptr;
  MOIETY_ASSIGN_OR_RETURN(const auto types, ChooseTypes(mix, type_options, input.tensors));
  ThreadPool pool(threads);
  return WriteGguf(out, input, mix, types, options, pool, progress);
}

std::vector<float> ValuesOf(const TensorTable& table, const TensorInfo& info) {
  std::vector<float> values(static_cast<size_t>(*NumElements(info.shape)));
  DecodeRow(info.dtype, table.files[static_cast<size_t>(info.file)]->bytes().data() + info.offset,
            static_cast<int64_t>(values.size()), values.data());
  return values;
}

// How far apart two tensors are, relative to the size of the values.
double RelativeError(const std::vector<float>& x, const std::vector<float>& y) {
  double error = 0, size = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    error += std::pow(static_cast<double>(x[i]) - static_cast<double>(y[i]), 2);
    size += std::pow(static_cast<double>(x[i]), 2);
  }
  return std::sqrt(error / size);
}

// Of uniform values; what real weights lose is less or about the same.
double Bound(DType dtype) {
  switch (DTypeBlockBytes(dtype) * 8 / DTypeBlockValues(dtype)) {  // bits, rounded down
    case 2:
      return 0.35;
    case 3:
      return 0.2;
    case 4:
      return dtype == DType::kMXFP4 ? 0.15 : 0.11;
    case 5:
      return 0.08;
    case 6:
      return 0.04;
    default:
      return 0.01;
  }
}

TEST(GgufOutput, EveryTypeKeepsTheWeights) {
  const auto source = OpenGgufInput(Starter());
  ASSERT_TRUE(source.ok());
  const ScratchFolder folder;
  ASSERT_TRUE(Write(Starter(), folder.path() / "f32.gguf", "F32").ok());
  const auto exact = OpenGgufModel(folder.path() / "f32.gguf");
  ASSERT_TRUE(exact.ok()) << exact.status().message();
  for (const TypeMix& mix : TypeMixes()) {
    // Of the same types as the mixes of medium size.
    if (mix.name.ends_with("_S") || mix.name.ends_with("_L")) continue;
    SCOPED_TRACE(mix.name);
    const auto path = folder.path() / "x.gguf";
    const auto report = Write(Starter(), path, std::string(mix.name).c_str());
    ASSERT_TRUE(report.ok()) << report.status().message();
    EXPECT_THAT(report->files, ElementsAre(path));
    const auto model = OpenGgufModel(path);
    ASSERT_TRUE(model.ok()) << model.status().message();
    EXPECT_EQ(*model->config, *exact->config);
    EXPECT_EQ(model->header.Find("general.file_type")->Integer(), mix.file_type);
    ASSERT_EQ(model->tensors.tensors.size(), exact->tensors.tensors.size());
    for (const auto& [name, info] : model->tensors.tensors) {
      const TensorInfo& expected = exact->tensors.tensors.at(name);
      ASSERT_EQ(info.shape, expected.shape) << name;
      EXPECT_LE(RelativeError(ValuesOf(exact->tensors, expected), ValuesOf(model->tensors, info)),
                Bound(info.dtype))
          << name << " " << DTypeName(info.dtype);
    }
  }
}

TEST(GgufOutput, TheSameFileForAnyNumberOfThreads) {
  const ScratchFolder folder;
  ASSERT_TRUE(Write(Starter(), folder.path() / "1", "Q4_K_M", {}, nullptr, 1).ok());
  ASSERT_TRUE(Write(Starter(), folder.path() / "3", "Q4_K_M", {}, nullptr, 3).ok());
  EXPECT_EQ(folder.Read("1"), folder.Read("3"));
}

TEST(GgufOutput, BlocksAgainOnlyIfAllowed) {
  const ScratchFolder folder;
  ASSERT_TRUE(Write(Starter(), folder.path() / "8.gguf", "Q8_0").ok());
  EXPECT_THAT(Write(folder.path() / "8.gguf", folder.path() / "4.gguf", "Q4_0").status().message(),
              HasSubstr("is Q8_0 already: making it"));
  // The same type is no second loss.
  ASSERT_TRUE(Write(folder.path() / "8.gguf", folder.path() / "same.gguf", "Q8_0").ok());
  const auto a = OpenGgufModel(folder.path() / "8.gguf");
  const auto b = OpenGgufModel(folder.path() / "same.gguf");
  ASSERT_TRUE(a.ok() && b.ok());
  for (const auto& [name, info] : a->tensors.tensors) {
    EXPECT_EQ(ValuesOf(a->tensors, info), ValuesOf(b->tensors, b->tensors.tensors.at(name)));
  }
  GgufOutputOptions options;
  options.allow_requantize = true;
  EXPECT_TRUE(Write(folder.path() / "8.gguf", folder.path() / "4.gguf", "Q4_0", options).ok());
}

TEST(GgufOutput, Parts) {
  const ScratchFolder folder;
  GgufOutputOptions options;
  options.split_max_bytes = 4'000'000;
  const auto report = Write(Starter(), folder.path() / "x.gguf", "Q8_0", options);
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_GT(report->files.size(), 1U);
  EXPECT_TRUE(OpenGgufModel(report->files[0]).ok());
}

TEST(GgufOutput, AnInterruptLeavesNothing) {
  const ScratchFolder folder;
  const auto report = Write(Starter(), folder.path() / "x.gguf", "Q8_0", {},
                            [](uint64_t done, uint64_t total) { return 2 * done < total; });
  EXPECT_EQ(report.status().code(), StatusCode::kCancelled);
  EXPECT_THAT(folder.List(), IsEmpty());
}

TEST(GgufOutput, ImportanceOfExperts) {
  const ScratchFolder folder;
  Imatrix imatrix;
  imatrix.datasets = {"text"};
  // Widths of the bundled model; expert 5 met no token.
  ImportanceSums sums{192, std::vector<float>(8, 1), std::vector<float>(8 * 192, 0.01F)};
  sums.counts[5] = 0;
  for (size_t e = 0; e < 8; ++e) sums.sums[e * 192 + e] = 100;
  imatrix.of["blk.0.ffn_up_exps.weight"] = sums;
  GgufOutputOptions options;
  options.imatrix = &imatrix;
  const auto report = Write(Starter(), folder.path() / "with.gguf", "Q4_0", options);
  ASSERT_TRUE(report.ok()) << report.status().message();
  for (const TensorReport& tensor : report->tensors) {
    const bool is_it = tensor.name == "blk.0.ffn_up_exps.weight";
    EXPECT_EQ(tensor.has_importance, is_it) << tensor.name;
    EXPECT_EQ(tensor.uncovered_experts, is_it ? std::vector<int64_t>{5} : std::vector<int64_t>{});
  }
  ASSERT_TRUE(Write(Starter(), folder.path() / "without.gguf", "Q4_0").ok());
  ASSERT_TRUE(Write(Starter(), folder.path() / "f32.gguf", "F32").ok());
  const auto with = OpenGgufModel(folder.path() / "with.gguf");
  const auto without = OpenGgufModel(folder.path() / "without.gguf");
  const auto exact = OpenGgufModel(folder.path() / "f32.gguf");
  ASSERT_TRUE(with.ok() && without.ok() && exact.ok());
  // The column that counts most is closer; an expert without importance is as without any.
  double error_with = 0, error_without = 0;
  for (size_t e = 0; e < 8; ++e) {
    const std::string name =
        "model.layers.0.block_sparse_moe.experts." + std::to_string(e) + ".w3.weight";
    const auto x = ValuesOf(exact->tensors, exact->tensors.tensors.at(name));
    const auto a = ValuesOf(with->tensors, with->tensors.tensors.at(name));
    const auto b = ValuesOf(without->tensors, without->tensors.tensors.at(name));
    if (e == 5) {
      EXPECT_EQ(a, b);
      continue;
    }
    for (size_t i = e; i < x.size(); i += 192) {
      error_with += std::pow(x[i] - a[i], 2);
      error_without += std::pow(x[i] - b[i], 2);
    }
  }
  EXPECT_LT(error_with, 0.5 * error_without);

  sums.cols = 96;
  sums.sums.resize(8 * 96);
  imatrix.of["blk.0.ffn_up_exps.weight"] = sums;
  EXPECT_THAT(Write(Starter(), folder.path() / "x.gguf", "Q4_0", options).status().message(),
              HasSubstr("importance matrix is of another model"));
}

TEST(GgufOutput, AWeightThatIsNoNumber) {
  const ScratchFolder folder;
  TinyModel model(TinyMixtralConfig());
  model.values("lm_head.weight")[3] = NAN;
  model.Write(folder.path());
  const auto report = Write(folder.path(), folder.path() / "x.gguf", "F16");
  EXPECT_EQ(report.status().code(), StatusCode::kInvalidData);
  EXPECT_THAT(report.status().message(),
              HasSubstr("tensor \"output.weight\": value 3 is not finite"));
}

}  // namespace
}  // namespace moiety
