#include "format/hf_folder.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>
#include <vector>

#include "base/format.h"
#include "format/config_reader.h"
#include "format/json.h"
#include "format/safetensors.h"
#include "io/mapped_file.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr uint64_t kMaxJsonBytes = uint64_t{64} << 20;
constexpr const char* kWeights = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

// A broken symbolic link, or a folder that may not be entered, counts as there: opening the file
// then says what is wrong.
bool IsThere(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() != fs::file_type::not_found;
}

Result<json> ReadJsonFile(const fs::path& path) {
  MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxJsonBytes));
  return ParseJson(text, path.string());
}

Status CheckIsFolder(const fs::path& dir) {
  std::error_code error;
  const fs::file_status status = fs::status(dir, error);
  if (fs::is_directory(status)) return OkStatus();
  if (status.type() == fs::file_type::not_found) {
    return NotFound(Format("{}: no such folder", dir.string()));
  }
  if (error) return IoError(Format("{}: cannot open: {}", dir.string(), error.message()));
  return InvalidArgument(Format("{}: expected a model folder with config.json and {}, found a file",
                                dir.string(), kWeights));
}

// The first file, by name, of another weight format; empty if there is none.
std::string OtherWeights(const fs::path& dir) {
  std::string found;
  std::error_code error;
  fs::directory_iterator it(dir, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    const fs::path name = it->path().filename();
    const fs::path extension = name.extension();
    const bool is_weights = extension == ".bin" || extension == ".pt" || extension == ".pth" ||
                            extension == ".gguf" || extension == ".safetensors";
    if (is_weights && (found.empty() || name.string() < found)) found = name.string();
  }
  return found;
}

// Names come from a file of unknown origin: they must not lead out of the folder, nor be able to
// steer a terminal when they are shown in a message.
bool IsPlainFileName(const std::string& name) {
  const auto is_refused = [](char c) {
    return c == '/' || c == '\\' || static_cast<uint8_t>(c) < 0x20 || c == 0x7F;
  };
  return !name.empty() && name != "." && name != ".." &&
         std::none_of(name.begin(), name.end(), is_refused);
}

// Maps one weight file and parses its header; infos carry the index of the file in `table`.
Result<SafetensorsHeader> AddSafetensorsFile(const fs::path& path, TensorTable& table) {
  MOIETY_ASSIGN_OR_RETURN(auto file, MappedFile::Open(path));
  MOIETY_ASSIGN_OR_RETURN(auto header, ParseSafetensorsHeader(file->bytes(), path.string()));
  for (auto& [name, info] : header.tensors) info.file = static_cast<int32_t>(table.files.size());
  table.files.push_back(std::move(file));
  return header;
}

Result<TensorTable> ReadSingleFile(const fs::path& path) {
  TensorTable table;
  MOIETY_ASSIGN_OR_RETURN(auto header, AddSafetensorsFile(path, table));
  table.tensors = std::move(header.tensors);
  return table;
}

using Shards = std::map<std::string, SafetensorsHeader, std::less<>>;  // by file name

// Opens each file that the index names, once.
Status OpenShards(const fs::path& dir, const json& weight_map, const std::string& where,
                  Shards& shards, TensorTable& table) {
  for (const auto& [tensor, value] : weight_map.items()) {
    if (!value.is_string() || !IsPlainFileName(value.get_ref<const std::string&>())) {
      return InvalidData(
          Format("{}: \"weight_map\": expected the name of a file in the same folder "
                 "for tensor {}, found {}",
                 where, ShowJson(tensor), ShowJson(value)));
    }
    const auto& shard = value.get_ref<const std::string&>();
    if (shards.contains(shard)) continue;
    if (!IsThere(dir / shard)) {
      return NotFound(Format("{}: no such file, but {} names it for tensor {}",
                             (dir / shard).string(), kIndex, ShowJson(tensor)));
    }
    MOIETY_ASSIGN_OR_RETURN(auto header, AddSafetensorsFile(dir / shard, table));
    shards.emplace(shard, std::move(header));
  }
  return OkStatus();
}

// The index and the files must tell the same: each tensor in the one file that the index says.
Status CheckAgainstIndex(const json& weight_map, const std::string& where, const Shards& shards) {
  for (const auto& [tensor, value] : weight_map.items()) {
    const auto& shard = value.get_ref<const std::string&>();
    if (shards.find(shard)->second.tensors.contains(tensor)) continue;
    std::string found = "it is in none of the files";
    for (const auto& [other, header] : shards) {
      if (header.tensors.contains(tensor)) found = Format("found it in {}", other);
    }
    return InvalidData(
        Format("{}: expected tensor {} in {}, {}", where, ShowJson(tensor), shard, found));
  }
  for (const auto& [shard, header] : shards) {
    for (const auto& [tensor, info] : header.tensors) {
      const auto it = weight_map.find(tensor);
      if (it == weight_map.end()) {
        return InvalidData(Format("{}: \"weight_map\" lacks tensor {}, found in {}", where,
                                  ShowJson(tensor), shard));
      }
      if (*it != shard) {
        return InvalidData(Format("{}: expected tensor {} in {} only, found it also in {}", where,
                                  ShowJson(tensor), it->get_ref<const std::string&>(), shard));
      }
    }
  }
  return OkStatus();
}

Result<TensorTable> ReadShardedFiles(const fs::path& dir) {
  const std::string where = (dir / kIndex).string();
  MOIETY_ASSIGN_OR_RETURN(const json index, ReadJsonFile(dir / kIndex));
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    return InvalidData(
        Format("{}: expected an object with \"weight_map\": {{tensor: file, ...}}, found {}", where,
               ShowJson(index)));
  }
  const json& weight_map = index["weight_map"];
  TensorTable table;
  Shards shards;
  MOIETY_RETURN_IF_ERROR(OpenShards(dir, weight_map, where, shards, table));
  MOIETY_RETURN_IF_ERROR(CheckAgainstIndex(weight_map, where, shards));
  for (auto& [shard, header] : shards) table.tensors.merge(header.tensors);
  return table;
}

Result<TensorTable> ReadWeights(const fs::path& dir) {
  if (IsThere(dir / kWeights)) return ReadSingleFile(dir / kWeights);
  if (IsThere(dir / kIndex)) return ReadShardedFiles(dir);
  const std::string looked_for =
      Format("{}: has neither {} nor {}", dir.string(), kWeights, kIndex);
  const std::string other = OtherWeights(dir);
  if (other.empty()) return NotFound(looked_for);
  return Unsupported(
      Format("{}, only {}, which cannot be read as the weights of a folder", looked_for, other));
}

}  // namespace

Result<HfConfig> OpenHfConfigFile(const fs::path& file) {
  HfConfig config;
  config.dir = file.parent_path();
  config.config_path = file.string();
  MOIETY_ASSIGN_OR_RETURN(json document, ReadJsonFile(file));
  MOIETY_RETURN_IF_ERROR(ConfigReader(document, config.config_path).status());  // an object?
  MOIETY_RETURN_IF_ERROR(FillTokenIds(document, config.config_path, config.generation));
  config.config = std::make_shared<const json>(std::move(document));
  return config;
}

Result<HfConfig> OpenHfConfig(const fs::path& dir) {
  MOIETY_RETURN_IF_ERROR(CheckIsFolder(dir));
  HfConfig folder;
  folder.dir = dir;
  folder.config_path = (dir / "config.json").string();
  if (!IsThere(folder.config_path)) {
    return NotFound(Format("{}: has no config.json, which says what the model is", dir.string()));
  }
  MOIETY_ASSIGN_OR_RETURN(json config, ReadJsonFile(folder.config_path));
  MOIETY_RETURN_IF_ERROR(ConfigReader(config, folder.config_path).status());  // an object?

  const fs::path generation_path = dir / "generation_config.json";
  if (IsThere(generation_path)) {
    MOIETY_ASSIGN_OR_RETURN(const json generation, ReadJsonFile(generation_path));
    MOIETY_ASSIGN_OR_RETURN(folder.generation,
                            ReadGenerationConfig(generation, generation_path.string()));
  }
  MOIETY_RETURN_IF_ERROR(FillTokenIds(config, folder.config_path, folder.generation));
  folder.config = std::make_shared<const json>(std::move(config));
  return folder;
}

Result<HfFolder> OpenHfFolder(const fs::path& dir) {
  MOIETY_ASSIGN_OR_RETURN(HfConfig config, OpenHfConfig(dir));
  HfFolder folder;
  static_cast<HfConfig&>(folder) = std::move(config);
  MOIETY_ASSIGN_OR_RETURN(folder.tensors, ReadWeights(dir));
  return folder;
}

}  // namespace moiety
