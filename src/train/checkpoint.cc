#include "train/checkpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>
#include <system_error>

#include "base/format.h"
#include "format/json.h"
#include "format/replacing_file.h"
#include "format/safetensors.h"
#include "io/mapped_file.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";
constexpr std::string_view kUnfinished = ".unfinished-";  // and the name of what is being written
constexpr uint64_t kMaxStateBytes = uint64_t{64} << 20;

fs::path CheckpointsOf(const fs::path& run) { return run / "checkpoints"; }
std::string NameOf(int64_t step) { return Format("{}{}", kPrefix, step); }

Status SystemError(const fs::path& path, const char* what, int error) {
  return IoError(Format("{}: {}: {}", path.string(), what, std::strerror(error)));
}

// What was renamed in a folder, or written in one, is there after a loss of power.
Status SyncFolder(const fs::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return SystemError(folder, "cannot open", errno);
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  return result == 0 ? OkStatus() : SystemError(folder, "cannot write to disk", error);
}

// The steps of all complete checkpoints, ascending.
Result<std::vector<int64_t>> Steps(const fs::path& run) {
  std::vector<int64_t> steps;
  std::error_code error;
  if (!fs::exists(CheckpointsOf(run), error)) return steps;
  for (fs::directory_iterator it(CheckpointsOf(run), error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    int64_t step = 0;
    const char* const begin = name.data() + kPrefix.size();
    const char* const last = name.data() + name.size();
    const auto [rest, bad] = std::from_chars(begin, last, step);
    if (bad == std::errc() && rest == last && step >= 0) steps.push_back(step);
  }
  if (error) {
    return IoError(Format("{}: cannot list: {}", CheckpointsOf(run).string(), error.message()));
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

Status WriteTensors(const fs::path& path, std::span<const CheckpointTensor> tensors) {
  std::vector<TensorToWrite> written;
  for (const CheckpointTensor& tensor : tensors) {
    written.push_back({tensor.name, DType::kF32, tensor.shape, std::as_bytes(tensor.values)});
  }
  return WriteSafetensors(path, written);
}

Status WriteFiles(const fs::path& folder, int64_t step, const CheckpointContent& content) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return IoError(Format("{}: cannot create: {}", folder.string(), error.message()));
  MOIETY_RETURN_IF_ERROR(WriteTensors(folder / "model.safetensors", content.weights));
  MOIETY_RETURN_IF_ERROR(WriteTensors(folder / "optimizer.safetensors", content.optimizer));
  nlohmann::json state = content.state;
  state["step"] = step;
  MOIETY_RETURN_IF_ERROR(ReplaceFile(folder / "state.json", state.dump(2) + "\n"));
  return SyncFolder(folder);
}

Status ReadTensors(const fs::path& path, std::span<const CheckpointTensor> tensors) {
  MOIETY_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file, MappedFile::Open(path));
  MOIETY_ASSIGN_OR_RETURN(const SafetensorsHeader header,
                          ParseSafetensorsHeader(file->bytes(), path.string()));
  for (const CheckpointTensor& tensor : tensors) {
    const auto it = header.tensors.find(tensor.name);
    if (it == header.tensors.end()) {
      return InvalidData(Format("{}: tensor {} is missing", path.string(), tensor.name));
    }
    const TensorInfo& info = it->second;
    if (info.dtype != DType::kF32 || info.shape != tensor.shape) {
      return InvalidData(Format("{}: tensor {}: expected F32 {}, found {} {}", path.string(),
                                tensor.name, ShapeString(tensor.shape), DTypeName(info.dtype),
                                ShapeString(info.shape)));
    }
    std::memcpy(tensor.values.data(), file->bytes().data() + info.offset, info.size_bytes);
  }
  if (header.tensors.size() != tensors.size()) {
    return InvalidData(Format("{}: expected {} tensors, found {}", path.string(), tensors.size(),
                              header.tensors.size()));
  }
  return OkStatus();
}

}  // namespace

Status WriteCheckpoint(const fs::path& run, int64_t step, const CheckpointContent& content,
                       int64_t keep) {
  const fs::path folder = CheckpointsOf(run);
  const fs::path target = folder / NameOf(step);
  const fs::path unfinished = folder / (std::string(kUnfinished) + NameOf(step));
  std::error_code error;
  fs::remove_all(unfinished, error);
  Status status = WriteFiles(unfinished, step, content);
  if (status.ok()) {
    fs::rename(unfinished, target, error);
    if (error) {
      status = IoError(Format("{}: cannot be renamed to {}: {}", unfinished.string(),
                              target.filename().string(), error.message()));
    }
  }
  if (!status.ok()) {
    fs::remove_all(unfinished, error);
    return status;
  }
  MOIETY_RETURN_IF_ERROR(SyncFolder(folder));
  MOIETY_ASSIGN_OR_RETURN(const std::vector<int64_t> steps, Steps(run));
  for (size_t i = 0; i + static_cast<size_t>(keep) < steps.size(); ++i) {
    fs::remove_all(folder / NameOf(steps[i]), error);
    if (error) {
      return IoError(Format("{}: cannot be removed: {}", (folder / NameOf(steps[i])).string(),
                            error.message()));
    }
  }
  return OkStatus();
}

Result<std::optional<int64_t>> LastCheckpoint(const fs::path& run) {
  MOIETY_ASSIGN_OR_RETURN(const std::vector<int64_t> steps, Steps(run));
  std::error_code error;
  for (fs::directory_iterator it(CheckpointsOf(run), error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().filename().string().starts_with(kUnfinished)) fs::remove_all(it->path(), error);
  }
  if (steps.empty()) return std::optional<int64_t>();
  return std::optional<int64_t>(steps.back());
}

Status ReadCheckpoint(const fs::path& run, int64_t step, CheckpointContent& content) {
  const fs::path folder = CheckpointsOf(run) / NameOf(step);
  const fs::path state = folder / "state.json";
  MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadFile(state, kMaxStateBytes));
  MOIETY_ASSIGN_OR_RETURN(content.state, ParseJson(text, state.string()));
  if (!content.state.is_object() || !content.state.contains("step") ||
      content.state["step"] != step) {
    return InvalidData(Format("{}: expected an object with \"step\": {}", state.string(), step));
  }
  MOIETY_RETURN_IF_ERROR(ReadTensors(folder / "model.safetensors", content.weights));
  return ReadTensors(folder / "optimizer.safetensors", content.optimizer);
}

}  // namespace moiety
