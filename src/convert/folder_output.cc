#include "convert/folder_output.h"

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "base/format.h"
#include "convert/row_stream.h"
#include "format/gguf_tokenizer.h"
#include "format/json.h"
#include "format/replacing_file.h"
#include "format/safetensors.h"
#include "io/mapped_file.h"
#include "quant/row_codec.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

// A new folder beside `path`, which gets its name when it is complete.
class ReplacingFolder {
 public:
  static Result<ReplacingFolder> Create(const fs::path& path) {
    std::error_code error;
    fs::path target = fs::weakly_canonical(path, error);
    if (error) target = path;
    if (!target.has_filename()) target = target.parent_path();
    if (fs::exists(target, error) && !fs::is_empty(target, error)) {
      return InvalidArgument(Format(
          "{}: there is something of that name: expected a new or an empty folder", path.string()));
    }
    ReplacingFolder folder(
        target, target.parent_path() / Format(".{}.{}.tmp", target.filename().string(), getpid()));
    fs::create_directories(folder.temporary_, error);
    if (error) {
      return IoError(Format("{}: cannot create: {}", path.string(), error.message()));
    }
    return folder;
  }
  ReplacingFolder(ReplacingFolder&& other) noexcept
      : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})) {}
  ReplacingFolder& operator=(ReplacingFolder&&) = delete;
  ~ReplacingFolder() {
    std::error_code ignored;
    if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
  }

  const fs::path& temporary() const { return temporary_; }
  Status Commit() && {
    std::error_code error;
    fs::rename(temporary_, path_, error);
    if (error) return IoError(Format("{}: cannot create: {}", path_.string(), error.message()));
    temporary_.clear();
    return OkStatus();
  }

 private:
  ReplacingFolder(fs::path path, fs::path temporary)
      : path_(std::move(path)), temporary_(std::move(temporary)) {}

  fs::path path_;
  fs::path temporary_;
};

const char* NameOfType(DType dtype) {
  return dtype == DType::kF32 ? "float32" : dtype == DType::kF16 ? "float16" : "bfloat16";
}

std::string Text(const json& document) { return document.dump(2) + "\n"; }

// Writes the files of one folder.
class FolderRun {
 public:
  FolderRun(const fs::path& dir, const GgufModel& model, const FolderOutputOptions& options,
            ThreadPool& pool, const WriteProgress& progress, FolderReport& report)
      : dir_(dir),
        model_(model),
        options_(options),
        pool_(pool),
        progress_(progress),
        report_(report) {}

  Status WriteWeights() {
    MOIETY_ASSIGN_OR_RETURN(const auto shards, Shards());
    ordered_json weight_map = ordered_json::object();
    for (size_t i = 0; i < shards.size(); ++i) {
      const std::string name =
          shards.size() == 1 ? "model.safetensors"
                             : Format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
      MOIETY_RETURN_IF_ERROR(WriteShard(name, shards[i]));
      for (const SafetensorsTensor& tensor : shards[i]) weight_map[tensor.name] = name;
    }
    if (shards.size() == 1) return OkStatus();
    const ordered_json index = {{"metadata", {{"total_size", report_.bytes}}},
                                {"weight_map", std::move(weight_map)}};
    return WriteText("model.safetensors.index.json", index.dump(2) + "\n");
  }

  Status WriteTokenizer(json& config) {
    std::vector<int32_t> eos = model_.generation.eos_token_ids;
    if (model_.header.Find("tokenizer.ggml.model") == nullptr) {
      report_.notes.push_back("the file has no tokenizer: the folder has none");
    } else {
      MOIETY_ASSIGN_OR_RETURN(const GgufTokenizer tokenizer,
                              ReadGgufTokenizer(model_.header, FileName()));
      MOIETY_RETURN_IF_ERROR(WriteText("tokenizer.json", Text(tokenizer.document)));
      MOIETY_RETURN_IF_ERROR(WriteText("tokenizer_config.json", tokenizer.config.dump(2) + "\n"));
      eos = tokenizer.stop_ids;
    }
    json generation = json::object();
    if (const auto bos = model_.generation.bos_token_id) generation["bos_token_id"] = *bos;
    if (const auto pad = model_.generation.pad_token_id) generation["pad_token_id"] = *pad;
    if (eos.size() == 1) generation["eos_token_id"] = eos[0];
    if (eos.size() > 1) generation["eos_token_id"] = eos;
    config.update(generation);
    return WriteText("generation_config.json", Text(generation));
  }

  Status WriteConfig(const json& ids) {
    json config = *model_.config;
    for (const char* ours : {"rope_interleave", "norm_gains_are_whole"}) config.erase(ours);
    // The newer name and the older one.
    config["dtype"] = config["torch_dtype"] = NameOfType(options_.dtype);
    config.update(ids);
    return WriteText("config.json", Text(config));
  }

 private:
  std::string FileName() const { return model_.tensors.files[0]->path().string(); }

  // Folders of some architectures leave the 1 of a norm's gain out.
  float OffsetOf(std::string_view name) const {
    const bool is_norm = name.ends_with("norm.weight");
    return is_norm && model_.config->value("norm_gains_are_whole", false) ? -1.0F : 0.0F;
  }

  Result<std::vector<std::vector<SafetensorsTensor>>> Shards() {
    std::vector<std::vector<SafetensorsTensor>> shards(1);
    uint64_t bytes = 0;
    for (const auto& [name, info] : model_.tensors.tensors) {
      if (!IsWeightType(info.dtype)) {
        return Unsupported(Format("{}: tensor {}: {} are no weights", FileName(), ShowJson(name),
                                  DTypeName(info.dtype)));
      }
      SafetensorsTensor tensor = {name, options_.dtype, info.shape};
      const uint64_t more = tensor.Bytes();
      if (bytes > 0 && bytes + more > options_.shard_max_bytes) {
        shards.emplace_back();
        bytes = 0;
      }
      bytes += more;
      report_.bytes += more;
      report_.source_bytes += info.size_bytes;
      report_.parameters += static_cast<uint64_t>(*NumElements(info.shape));
      ++report_.num_tensors;
      shards.back().push_back(std::move(tensor));
    }
    return shards;
  }

  Status WriteShard(const std::string& name, const std::vector<SafetensorsTensor>& tensors) {
    // "pt" is what transformers looks for.
    MOIETY_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                            SafetensorsWriter::Create(dir_ / name, tensors, {{"format", "pt"}}));
    const RowSink sink = [&](std::span<const std::byte> rows, uint64_t source_bytes) {
      done_ += source_bytes;
      Status status = writer.Append(rows);
      if (!status.ok() || progress_ == nullptr || progress_(done_, report_.source_bytes)) {
        return status;
      }
      return Cancelled("interrupted, nothing was written");
    };
    for (const SafetensorsTensor& tensor : writer.order()) {
      const TensorInfo& info = model_.tensors.tensors.find(tensor.name)->second;
      const int64_t heads = InterleavedHeads(*model_.config, tensor.name);
      const bool moves = heads > 0;
      const int64_t cols = moves && info.shape.size() == 1 ? 1 : info.shape.back();
      const int64_t rows = *NumElements(info.shape) / cols;
      if (moves && rows % (2 * heads) != 0) {
        return InvalidData(
            Format("{}: tensor {}: expected an even number of rows for each of {} "
                   "heads, found shape {}",
                   FileName(), ShowJson(tensor.name), heads, ShapeString(info.shape)));
      }
      const RowStream stream = {*model_.tensors.files[static_cast<size_t>(info.file)],
                                info,
                                cols,
                                0,
                                rows,
                                options_.dtype,
                                nullptr,
                                moves ? RowOrder::kUninterleaved : RowOrder::kSame,
                                moves ? rows / heads : 0,
                                OffsetOf(tensor.name)};
      MOIETY_RETURN_IF_ERROR(StreamRows(
          stream, pool_, sink, Format("{}: tensor {}", FileName(), ShowJson(tensor.name))));
    }
    MOIETY_RETURN_IF_ERROR(std::move(writer).Finish());
    report_.files.push_back(name);
    return OkStatus();
  }

  Status WriteText(const std::string& name, const std::string& text) {
    report_.files.push_back(name);
    return ReplaceFile(dir_ / name, text);
  }

  const fs::path& dir_;
  const GgufModel& model_;
  const FolderOutputOptions& options_;
  ThreadPool& pool_;
  const WriteProgress& progress_;
  FolderReport& report_;
  uint64_t done_ = 0;
};

}  // namespace

Result<FolderReport> WriteFolder(const fs::path& dir, const GgufModel& model,
                                 const FolderOutputOptions& options, ThreadPool& pool,
                                 const WriteProgress& progress) {
  if (options.dtype != DType::kF32 && options.dtype != DType::kF16 &&
      options.dtype != DType::kBF16) {
    return InvalidArgument(
        Format("folders have weights of F32, F16 or BF16, found {}", DTypeName(options.dtype)));
  }
  MOIETY_ASSIGN_OR_RETURN(ReplacingFolder folder, ReplacingFolder::Create(dir));
  FolderReport report;
  FolderRun run(folder.temporary(), model, options, pool, progress, report);
  json ids = json::object();
  MOIETY_RETURN_IF_ERROR(run.WriteTokenizer(ids));
  MOIETY_RETURN_IF_ERROR(run.WriteWeights());
  MOIETY_RETURN_IF_ERROR(run.WriteConfig(ids));
  MOIETY_RETURN_IF_ERROR(std::move(folder).Commit());
  for (fs::path& file : report.files) file = dir / file;
  return report;
}

}  // namespace moiety
