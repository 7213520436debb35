// moiety quantize.
#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "convert/imatrix.h"
#include "format/gguf_model.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

TEST(Quantize, ReportOfTheBundledModel) {
  const ScratchFolder folder;
  const std::string out = (folder.path() / "x.gguf").string();
  const ProcessResult result =
      Moiety({"quantize", Starter().string(), out, "--type", "q4_k_m", "--threads", "2"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");  // a bar is for terminals
  EXPECT_THAT(result.out, HasSubstr("x.gguf: Q4_K_M, 9.05 M parameters"));
  EXPECT_THAT(result.out, HasSubstr("bits per weight"));
  // Its rows of 192 and 384 are no multiples of 256.
  EXPECT_THAT(result.out, HasSubstr("rows that are no whole number of blocks:\n"));
  EXPECT_THAT(result.out, HasSubstr("Q5_0 instead of Q4_K: blk.*.attn_q.weight (4 tensors)\n"));
  EXPECT_THAT(result.out, Not(HasSubstr("importance")));
  EXPECT_TRUE(OpenGgufModel(out).ok());
}

TEST(Quantize, JsonNamesEveryTensor) {
  const ScratchFolder folder;
  const std::string out = (folder.path() / "x.gguf").string();
  const ProcessResult result =
      Moiety({"quantize", Starter().string(), out, "--type", "Q8_0", "--pure", "--tensor-type",
              "attn_(q|k)=Q4_0", "--tensor-type", "attn_k=Q5_0", "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const json report = json::parse(result.out);
  const auto model = OpenGgufModel(out);
  ASSERT_TRUE(model.ok()) << model.status().message();
  ASSERT_EQ(report["tensors"].size(), model->header.tensors.size());
  for (const json& row : report["tensors"]) {
    const TensorInfo& info = model->header.tensors.at(row["name"].get<std::string>());
    EXPECT_EQ(row["dtype"], DTypeName(info.dtype));
    EXPECT_EQ(row["bytes"], info.size_bytes);
    EXPECT_EQ(row["shape"], json(info.shape));
  }
  EXPECT_EQ(model->header.tensors.at("blk.1.attn_k.weight").dtype, DType::kQ4_0);
  EXPECT_EQ(model->header.tensors.at("blk.1.attn_v.weight").dtype, DType::kQ8_0);
  EXPECT_EQ(report["files"], json::array({out}));
}

TEST(Quantize, ImportanceMatrixAndWhomItDidNotMeet) {
  const ScratchFolder folder;
  Imatrix imatrix;
  ImportanceSums sums{192, std::vector<float>(8, 2), std::vector<float>(8 * 192, 1)};
  sums.counts[3] = sums.counts[6] = 0;
  imatrix.of["blk.2.ffn_gate_exps.weight"] = sums;
  ASSERT_TRUE(WriteImatrix(folder.path() / "i.gguf", imatrix).ok());
  const ProcessResult result =
      Moiety({"quantize", Starter().string(), (folder.path() / "x.gguf").string(), "--type",
              "IQ4_NL", "--imatrix", (folder.path() / "i.gguf").string()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("experts 3, 6 of blk.*.ffn_gate_exps.weight\n"));
  EXPECT_THAT(result.out, HasSubstr("not in the importance matrix"));
}

TEST(Quantize, Parts) {
  const ScratchFolder folder;
  const ProcessResult result =
      Moiety({"quantize", Starter().string(), (folder.path() / "x.gguf").string(), "--type", "Q8_0",
              "--split-max-size", "4M"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr(" files, "));
  EXPECT_THAT(folder.List()[0], HasSubstr("x-00001-of-0000"));
  EXPECT_TRUE(OpenGgufModel(folder.path() / folder.List()[0]).ok());
}

TEST(Quantize, Errors) {
  const ScratchFolder folder;
  const std::string out = (folder.path() / "x.gguf").string();
  const std::string starter = Starter().string();
  const auto expect = [&](const std::vector<std::string>& arguments, int exit_code,
                          const std::string& message) {
    std::vector<std::string> all = {"quantize"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const ProcessResult result = Moiety(all);
    ExpectError(result, exit_code);
    EXPECT_THAT(result.err, HasSubstr(message));
  };
  expect({starter, out}, 2, "--type is required");
  expect({starter, out, "--type", "Q9"}, 2, "expected one of F32");
  expect({starter, out, "--type", "Q8_0", "--tensor-type", "x"}, 1, "expected PATTERN=TYPE");
  expect({starter, out, "--type", "Q8_0", "--imatrix", out}, 1, "x.gguf");
  expect({out, out, "--type", "Q8_0"}, 1, "x.gguf");
  expect({starter, (folder.path() / "no" / "x.gguf").string(), "--type", "Q8_0"}, 1, "x.gguf");
  EXPECT_EQ(Moiety({"quantize", starter, out, "--type", "Q8_0"}).exit_code, 0);
  expect({out, (folder.path() / "y.gguf").string(), "--type", "Q4_0"}, 1, "is Q8_0 already");
  EXPECT_EQ(folder.List(), std::vector<std::string>{"x.gguf"});
}

}  // namespace
}  // namespace moiety
