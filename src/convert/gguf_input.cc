#include "convert/gguf_input.h"

#include <nlohmann/json.hpp>
#include <system_error>

#include "base/format.h"
#include "base/utf8.h"
#include "format/gguf_model.h"
#include "format/gguf_tokenizer_writer.h"
#include "format/hf_folder.h"
#include "format/json.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr uint64_t kMaxTokenizerBytes = uint64_t{256} << 20;

bool IsThere(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() != fs::file_type::not_found;
}

// The text of a file; empty if there is none.
Result<std::string> ReadIfThere(const fs::path& path) {
  if (!IsThere(path)) return std::string();
  return ReadFile(path, kMaxTokenizerBytes);
}

Status AddTokenizer(const HfFolder& folder, int64_t vocab_size, GgufInput& input) {
  const fs::path path = folder.dir / "tokenizer.json";
  const fs::path config_path = folder.dir / "tokenizer_config.json";
  if (!IsThere(path)) {
    input.notes.push_back(Format("{} is not there: the file has no tokenizer", path.string()));
    return OkStatus();
  }
  MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxTokenizerBytes));
  MOIETY_ASSIGN_OR_RETURN(const json document, ParseJson(text, path.string()));
  MOIETY_ASSIGN_OR_RETURN(const std::string config_text, ReadIfThere(config_path));
  json config = json::object();
  if (!config_text.empty()) {
    MOIETY_ASSIGN_OR_RETURN(config, ParseJson(config_text, config_path.string()));
  }
  MOIETY_ASSIGN_OR_RETURN(const std::string chat_template,
                          ReadIfThere(folder.dir / "chat_template.jinja"));
  const HfTokenizer tokenizer = {document, config, folder.generation, chat_template, path.string()};
  return AddGgufTokenizer(tokenizer, vocab_size, input.metadata);
}

Result<GgufInput> FromFolder(const fs::path& path) {
  MOIETY_ASSIGN_OR_RETURN(HfFolder folder, OpenHfFolder(path));
  MOIETY_ASSIGN_OR_RETURN(GgufSource source,
                          HfToGguf(*folder.config, folder.tensors, folder.config_path));
  GgufInput input;
  input.metadata = std::move(source.metadata);
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(path, error);  // "models/x/" and "." have names too
  const std::string name = (error ? path : whole).filename().string();
  // Names of folders may be no UTF-8, which values must be.
  if (IsUtf8(name)) input.metadata.SetString("general.name", name);
  input.tensors = std::move(source.tensors);
  MOIETY_RETURN_IF_ERROR(AddTokenizer(folder, source.vocab_size, input));
  input.files = std::move(folder.tensors.files);
  return input;
}

Result<GgufInput> FromFile(const fs::path& path) {
  MOIETY_ASSIGN_OR_RETURN(GgufFiles files, OpenGgufFiles(path));
  GgufInput input;
  for (const auto& [key, value] : files.header.metadata) input.metadata.Copy(key, value);
  for (auto& [name, info] : files.tensors.tensors) {
    input.tensors.push_back({name, info.shape, {info}});
  }
  input.files = std::move(files.tensors.files);
  return input;
}

}  // namespace

Result<GgufInput> OpenGgufInput(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error) ? FromFolder(path) : FromFile(path);
}

}  // namespace moiety
