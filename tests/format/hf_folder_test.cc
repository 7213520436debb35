#include "format/hf_folder.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/format.h"
#include "format/json.h"
#include "format/safetensors.h"
#include "io/mapped_file.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kIndex = "model.safetensors.index.json";

// One-byte tensors of these names.
void WriteWeights(const ScratchFolder& folder, const std::string& file,
                  const std::vector<std::string>& names) {
  const std::byte byte{7};
  std::vector<TensorToWrite> tensors;
  for (const std::string& name : names)
    tensors.push_back({name, DType::kU8, {1}, std::span(&byte, 1)});
  ASSERT_TRUE(WriteSafetensors(folder.path() / file, tensors).ok());
}

void WriteIndex(const ScratchFolder& folder, const json& weight_map) {
  folder.Write(kIndex,
               json({{"metadata", {{"total_size", 3}}}, {"weight_map", weight_map}}).dump());
}

std::vector<std::string> Names(const TensorTable& table) {
  std::vector<std::string> names;
  for (const auto& [name, info] : table.tensors) names.push_back(name);
  return names;
}

std::string ErrorOf(const fs::path& dir, StatusCode code) {
  const Result<HfFolder> folder = OpenHfFolder(dir);
  if (folder.ok()) return "no error";
  EXPECT_EQ(folder.status().code(), code) << folder.status().message();
  return folder.status().message();
}

TEST(HfFolder, OpensOneFile) {
  const ScratchFolder scratch;
  scratch.Write("config.json", R"({"model_type": "x", "eos_token_id": 3})");
  WriteWeights(scratch, "model.safetensors", {"b", "a"});
  const Result<HfFolder> folder = OpenHfFolder(scratch.path());
  ASSERT_TRUE(folder.ok()) << folder.status().message();
  EXPECT_EQ(folder->dir, scratch.path());
  EXPECT_EQ(folder->config_path, scratch.path() / "config.json");
  EXPECT_EQ((*folder->config)["model_type"], "x");
  EXPECT_THAT(folder->generation.eos_token_ids, ElementsAre(3));
  EXPECT_THAT(Names(folder->tensors), ElementsAre("a", "b"));
  ASSERT_THAT(folder->tensors.files, SizeIs(1));
  EXPECT_EQ(folder->tensors.files[0]->path(), scratch.path() / "model.safetensors");
}

TEST(HfFolder, OpensShardsOnce) {
  const ScratchFolder scratch;
  scratch.Write("config.json", "{}");
  WriteWeights(scratch, "m-1.safetensors", {"a", "c"});
  WriteWeights(scratch, "m-2.safetensors", {"b"});
  WriteIndex(scratch,
             {{"a", "m-1.safetensors"}, {"b", "m-2.safetensors"}, {"c", "m-1.safetensors"}});
  const Result<HfFolder> folder = OpenHfFolder(scratch.path());
  ASSERT_TRUE(folder.ok()) << folder.status().message();
  const TensorTable& table = folder->tensors;
  EXPECT_THAT(Names(table), ElementsAre("a", "b", "c"));
  ASSERT_THAT(table.files, SizeIs(2));
  const auto file_of = [&](const char* name) {
    const int32_t file = table.tensors.find(name)->second.file;
    return table.files[static_cast<size_t>(file)]->path().filename().string();
  };
  EXPECT_EQ(file_of("a"), "m-1.safetensors");
  EXPECT_EQ(file_of("b"), "m-2.safetensors");
  EXPECT_EQ(file_of("c"), "m-1.safetensors");
  for (const auto& [name, info] : table.tensors) {
    EXPECT_EQ(table.files[static_cast<size_t>(info.file)]->bytes()[info.offset], std::byte{7});
  }
}

TEST(HfFolder, OneFileWinsOverTheIndex) {
  const ScratchFolder scratch;
  scratch.Write("config.json", "{}");
  WriteWeights(scratch, "model.safetensors", {"a"});
  scratch.Write(kIndex, "not even JSON");
  EXPECT_THAT(Names(OpenHfFolder(scratch.path())->tensors), ElementsAre("a"));
}

TEST(HfFolder, FollowsSymbolicLinks) {
  const ScratchFolder scratch;
  const ScratchFolder blobs;
  scratch.Write("config.json", "{}");
  WriteWeights(blobs, "blob", {"a"});
  fs::create_symlink(blobs.path() / "blob", scratch.path() / "model.safetensors");
  EXPECT_THAT(Names(OpenHfFolder(scratch.path())->tensors), ElementsAre("a"));
  fs::remove(blobs.path() / "blob");
  EXPECT_THAT(ErrorOf(scratch.path(), StatusCode::kNotFound),
              HasSubstr("/model.safetensors: cannot open: "));
}

TEST(HfFolder, SaysWhatIsNotThere) {
  const ScratchFolder scratch;
  const std::string dir = scratch.path().string();
  EXPECT_EQ(ErrorOf(scratch.path() / "no", StatusCode::kNotFound), dir + "/no: no such folder");
  EXPECT_EQ(ErrorOf(scratch.path(), StatusCode::kNotFound),
            dir + ": has no config.json, which says what the model is");
  EXPECT_EQ(ErrorOf(scratch.Write("config.json", "{}"), StatusCode::kInvalidArgument),
            dir +
                "/config.json: expected a model folder with config.json and model.safetensors, "
                "found a file");
  const std::string neither =
      dir + ": has neither model.safetensors nor model.safetensors.index.json";
  EXPECT_EQ(ErrorOf(scratch.path(), StatusCode::kNotFound), neither);
  scratch.Write("pytorch_model.bin", "x");
  EXPECT_EQ(ErrorOf(scratch.path(), StatusCode::kUnsupported),
            neither + ", only pytorch_model.bin, which cannot be read as the weights of a folder");
  scratch.Write("model.gguf", "x");
  EXPECT_THAT(ErrorOf(scratch.path(), StatusCode::kUnsupported),
              HasSubstr("only model.gguf, which"));
}

TEST(HfFolder, ChecksTheIndex) {
  const ScratchFolder scratch;
  const std::string dir = scratch.path().string();
  const std::string index = dir + "/" + kIndex;
  scratch.Write("config.json", "{}");
  WriteWeights(scratch, "m1", {"a", "b"});
  WriteWeights(scratch, "m2", {"c"});
  const auto error = [&](const json& weight_map, StatusCode code = StatusCode::kInvalidData) {
    WriteIndex(scratch, weight_map);
    return ErrorOf(scratch.path(), code);
  };
  EXPECT_EQ(error({{"a", "m1"}, {"b", "m1"}, {"c", "m2"}}), "no error");
  EXPECT_EQ(error({{"a", "m1"}, {"b", "m1"}, {"c", "m3"}}, StatusCode::kNotFound),
            dir + "/m3: no such file, but model.safetensors.index.json names it for tensor \"c\"");
  EXPECT_EQ(error({{"a", "m1"}, {"b", "m2"}, {"c", "m2"}}),
            index + ": expected tensor \"b\" in m2, found it in m1");
  EXPECT_EQ(error({{"a", "m1"}, {"b", "m1"}, {"c", "m2"}, {"d", "m2"}}),
            index + ": expected tensor \"d\" in m2, it is in none of the files");
  EXPECT_EQ(error({{"a", "m1"}, {"c", "m2"}}),
            index + ": \"weight_map\" lacks tensor \"b\", found in m1");
  EXPECT_EQ(error({{"a", "m1"}, {"b", 1}}), index +
                                                ": \"weight_map\": expected the name of a file in "
                                                "the same folder for tensor \"b\", found 1");
  EXPECT_EQ(error(json::array()),
            index +
                ": expected an object with \"weight_map\": {tensor: file, ...}, "
                R"(found {"metadata":{"total_size":3},"weight_map":[]})");
  WriteWeights(scratch, "m2", {"c", "a"});
  EXPECT_EQ(error({{"a", "m1"}, {"b", "m1"}, {"c", "m2"}}),
            index + ": expected tensor \"a\" in m1 only, found it also in m2");
  scratch.Write("m2", "x");
  EXPECT_THAT(error({{"a", "m1"}, {"b", "m1"}, {"c", "m2"}}),
              HasSubstr("/m2: a safetensors file begins"));
}

TEST(HfFolder, ShardsCannotLeadOutOfTheFolder) {
  const ScratchFolder scratch;
  const ScratchFolder outside;
  scratch.Write("config.json", "{}");
  fs::create_directory(scratch.path() / "sub");
  WriteWeights(outside, "m", {"a"});
  WriteWeights(scratch, "sub/m", {"a"});
  const std::string name = outside.path().filename().string();
  for (const std::string& shard :
       {"../" + name + "/m", (outside.path() / "m").string(), std::string("sub/m"),
        std::string("./sub/m"), std::string("sub\\m"), std::string(".."), std::string("."),
        std::string(""), std::string("m\0m", 3), std::string("m\n"), std::string("\x1B[2J")}) {
    WriteIndex(scratch, {{"a", shard}});
    EXPECT_THAT(
        ErrorOf(scratch.path(), StatusCode::kInvalidData),
        HasSubstr("expected the name of a file in the same folder for tensor \"a\", found "))
        << shard;
  }
}

TEST(HfConfig, NeedsNoWeights) {
  const ScratchFolder scratch;
  scratch.Write("config.json", R"({"bos_token_id": 1, "eos_token_id": [2, 3]})");
  const Result<HfConfig> bare = OpenHfConfig(scratch.path());
  ASSERT_TRUE(bare.ok()) << bare.status().message();
  EXPECT_EQ(bare->generation.bos_token_id, 1);
  EXPECT_THAT(bare->generation.eos_token_ids, ElementsAre(2, 3));
  EXPECT_FALSE(bare->generation.temperature.has_value());

  scratch.Write("generation_config.json", R"({"eos_token_id": 9, "temperature": 0.5})");
  const Result<HfConfig> both = OpenHfConfig(scratch.path());
  ASSERT_TRUE(both.ok()) << both.status().message();
  EXPECT_EQ(both->generation.bos_token_id, 1);
  EXPECT_THAT(both->generation.eos_token_ids, ElementsAre(9));
  EXPECT_EQ(both->generation.temperature, 0.5);
}

TEST(HfConfig, AFileOfAnyName) {
  const ScratchFolder scratch;
  const auto path = scratch.Write("shape.json", R"({"hidden_size": 8, "eos_token_id": 5})");
  scratch.Write("generation_config.json", R"({"eos_token_id": 6})");
  const Result<HfConfig> config = OpenHfConfigFile(path);
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ((*config->config)["hidden_size"], 8);
  EXPECT_EQ(config->config_path, path.string());
  EXPECT_EQ(config->generation.eos_token_ids, std::vector<int32_t>{5}) << "of this file alone";
  EXPECT_EQ(OpenHfConfigFile(scratch.path() / "none.json").status().code(), StatusCode::kNotFound);
  for (const char* text : {"", "{", "[]", "3"}) {
    const Status status = OpenHfConfigFile(scratch.Write("bad.json", text)).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidData) << text;
    EXPECT_THAT(status.message(), testing::HasSubstr("bad.json"));
  }
}

TEST(HfConfig, NamesTheFileThatIsWrong) {
  const ScratchFolder scratch;
  const auto error = [&] { return OpenHfConfig(scratch.path()).status().message(); };
  scratch.Write("config.json", "[1]");
  EXPECT_THAT(error(), EndsWith("/config.json: expected a JSON object, found [1]"));
  scratch.Write("config.json", "");
  EXPECT_THAT(error(), HasSubstr("/config.json: not valid JSON at byte 1"));
  scratch.Write("config.json", R"({"eos_token_id": "x"})");
  EXPECT_THAT(error(), HasSubstr("/config.json: \"eos_token_id\" must be"));
  scratch.Write("generation_config.json", R"({"top_k": "x"})");
  EXPECT_THAT(error(), HasSubstr("/generation_config.json: \"top_k\" must be"));
  scratch.Write("generation_config.json", "{");
  EXPECT_THAT(error(), HasSubstr("/generation_config.json: not valid JSON"));
  fs::remove(scratch.path() / "generation_config.json");
  fs::resize_file(scratch.path() / "config.json", (uint64_t{64} << 20) + 1);
  EXPECT_THAT(error(), HasSubstr("/config.json: 67.1 MB is more than the 67.1 MB"));
}

// ---- the malformed folders of the conformance set ----

fs::path Conformance() { return fs::path(MOIETY_SOURCE_DIR) / ".." / "shared" / "conformance"; }

TEST(HfFolder, MalformedFolders) {
  const fs::path root = Conformance() / "malformed";
  if (!fs::exists(root)) GTEST_SKIP() << "no ../shared";
  const Result<std::string> text = ReadFile(root / "manifest.json", 1 << 20);
  ASSERT_TRUE(text.ok());
  const Result<json> manifest = ParseJson(*text, "manifest.json");
  ASSERT_TRUE(manifest.ok());
  // Wrong only together with what config.json asks for, which is known further up.
  const std::set<std::string> open_here = {"st_missing_tensor", "st_wrong_shape", "st_wrong_rank",
                                           "st_empty_norm"};
  // The config itself cannot be read; other configs have wrong values, which are looked at further
  // up.
  const std::set<std::string> broken_configs = {"cfg_missing", "cfg_empty",        "cfg_not_json",
                                                "cfg_array",   "cfg_deep_nesting", "cfg_not_utf8",
                                                "cfg_eps_nan"};
  int seen = 0;
  for (const json& test : (*manifest)["cases"]) {
    if (test["kind"] != "model_dir") continue;
    const auto id = test["id"].get<std::string>();
    const Result<HfFolder> folder = OpenHfFolder(root / test["path"].get<std::string>());
    ++seen;
    bool expect_ok = id.starts_with("ok_") || open_here.contains(id);
    if (id.starts_with("cfg_")) expect_ok = !broken_configs.contains(id);
    EXPECT_EQ(folder.ok(), expect_ok) << id << ": " << folder.status().message();
    if (folder.ok()) continue;
    const std::string& message = folder.status().message();
    EXPECT_THAT(message, HasSubstr("/" + id)) << "the message names the file";
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_LT(message.size(), root.string().size() + 350) << message;
  }
  EXPECT_GE(seen, 70);
}

TEST(HfFolder, OpensEveryConformanceModel) {
  const fs::path root = Conformance() / "models";
  if (!fs::exists(root)) GTEST_SKIP() << "no ../shared";
  int seen = 0;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (!entry.is_directory()) continue;
    const Result<HfFolder> folder = OpenHfFolder(entry.path());
    ASSERT_TRUE(folder.ok()) << folder.status().message();
    EXPECT_FALSE(folder->tensors.tensors.empty());
    ++seen;
  }
  EXPECT_GT(seen, 0);
}

}  // namespace
}  // namespace moiety
