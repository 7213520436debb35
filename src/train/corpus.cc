#include "train/corpus.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

#include "base/fingerprint.h"
#include "base/format.h"
#include "base/utf8.h"
#include "io/mapped_file.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxTextBytes = uint64_t{8} << 30;  // of one file, unpacked
constexpr size_t kUnpackBytes = size_t{1} << 20;

// What a file's name says.
struct TextName {
  std::string domain;
  enum { kWhole, kTrain, kValid, kTest } part;
};

bool CutEnd(std::string& name, std::string_view end) {
  if (!name.ends_with(end)) return false;
  name.resize(name.size() - end.size());
  return true;
}

// nullopt: not a text.
std::optional<TextName> ParseName(const fs::path& path) {
  std::string name = path.filename().string();
  if (!CutEnd(name, ".gz")) CutEnd(name, ".zst");
  if (!CutEnd(name, ".txt") && !CutEnd(name, ".jsonl")) return std::nullopt;
  if (name.empty() || name.starts_with("README")) return std::nullopt;
  const fs::path folder = fs::absolute(path).parent_path().filename();
  for (const auto& [word, part] : {std::pair("train", TextName::kTrain),
                                   {"valid", TextName::kValid},
                                   {"test", TextName::kTest}}) {
    if (name == word) return TextName{folder.string(), part};
    if (CutEnd(name, Format(".{}", word))) return TextName{name, part};
  }
  return TextName{name, TextName::kWhole};
}

struct Found {
  std::map<std::string, CorpusDomain> domains;
  // False if the name is not that of a text.
  bool Add(const fs::path& path) {
    const std::optional<TextName> name = ParseName(path);
    if (!name.has_value()) return false;
    if (name->part == TextName::kTest) return true;
    CorpusDomain& domain = domains[name->domain];
    domain.name = name->domain;
    (name->part == TextName::kValid ? domain.valid : domain.train).push_back(path);
    return true;
  }
};

Status AddFolder(const fs::path& folder, Found& found) {
  std::error_code error;
  bool any = false;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->is_regular_file(error)) any = found.Add(it->path()) || any;
  }
  if (error) return IoError(Format("{}: cannot list: {}", folder.string(), error.message()));
  if (any) return OkStatus();
  return InvalidArgument(
      Format("{}: expected *.txt or *.jsonl files, found none", folder.string()));
}

Result<std::string> Gunzip(std::span<const std::byte> packed, const std::string& where) {
  z_stream stream = {};
  constexpr int kGzip = 16;
  if (inflateInit2(&stream, kGzip + MAX_WBITS) != Z_OK) return ResourceExhausted("out of memory");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  std::string text;
  size_t taken = 0;
  std::vector<char> buffer(kUnpackBytes);
  while (true) {
    if (stream.avail_in == 0) {
      const size_t some = std::min(packed.size() - taken, kUnpackBytes);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data() + taken));
      stream.avail_in = static_cast<uInt>(some);
      taken += some;
    }
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    const int result = inflate(&stream, Z_NO_FLUSH);
    text.append(buffer.data(), buffer.size() - stream.avail_out);
    if (text.size() > kMaxTextBytes) {
      return ResourceExhausted(
          Format("{}: unpacks to more than {}", where, FormatBytes(kMaxTextBytes)));
    }
    if (result == Z_STREAM_END) {
      if (stream.avail_in == 0 && taken == packed.size()) return text;
      if (inflateReset(&stream) != Z_OK) break;  // one file of several joined
    } else if (result != Z_OK) {
      break;
    }
  }
  return InvalidData(Format("{}: not a complete gzip file", where));
}

Result<std::string> UnpackZstd(std::span<const std::byte> packed, const std::string& where) {
  const std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(),
                                                                        ZSTD_freeDStream);
  if (stream == nullptr) return ResourceExhausted("out of memory");
  std::string text;
  std::vector<char> buffer(kUnpackBytes);
  ZSTD_inBuffer in = {packed.data(), packed.size(), 0};
  size_t left = 1;  // 0 at the end of a frame
  while (in.pos < in.size || left != 0) {
    ZSTD_outBuffer out = {buffer.data(), buffer.size(), 0};
    const size_t before = in.pos;
    left = ZSTD_decompressStream(stream.get(), &out, &in);
    if (ZSTD_isError(left) != 0 || (in.pos == before && out.pos == 0)) {
      return InvalidData(Format("{}: not a complete zstd file", where));
    }
    text.append(buffer.data(), out.pos);
    if (text.size() > kMaxTextBytes) {
      return ResourceExhausted(
          Format("{}: unpacks to more than {}", where, FormatBytes(kMaxTextBytes)));
    }
  }
  return text;
}

bool HasLines(const fs::path& path) { return path.string().find(".jsonl") != std::string::npos; }

// Where the last tenth begins: at the beginning of a line, or at the end if there is none.
size_t ValidBegin(std::string_view text) {
  const size_t line = text.find('\n', text.size() / 10 * 9);
  return line == std::string_view::npos ? text.size() : line + 1;
}

Status ReadLines(std::string_view text, const fs::path& path, size_t first_line,
                 std::span<const std::string> fields,
                 const std::function<Status(std::string_view)>& document) {
  for (size_t number = first_line; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto row = nlohmann::json::parse(line, nullptr, false);
    std::string joined;
    for (const std::string& field : fields) {
      if (!row.is_object() || !row.contains(field) || !row[field].is_string()) {
        return InvalidData(Format("{}:{}: expected a JSON object with a text \"{}\"", path.string(),
                                  number, field));
      }
      joined += (joined.empty() ? "" : "\n") + row[field].get<std::string>();
    }
    MOIETY_RETURN_IF_ERROR(document(joined));
  }
  return OkStatus();
}

}  // namespace

Result<std::vector<CorpusDomain>> FindDomains(std::span<const std::string> paths) {
  Found found;
  for (const std::string& path : paths) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) return NotFound(Format("{}: no such file or folder", path));
    if (fs::is_directory(status)) {
      MOIETY_RETURN_IF_ERROR(AddFolder(path, found));
    } else if (!found.Add(path)) {
      return InvalidArgument(
          Format("{}: expected a *.txt or *.jsonl file (or one packed as .gz or .zst)", path));
    }
  }
  std::vector<CorpusDomain> domains;
  for (auto& [name, domain] : found.domains) {
    if (domain.train.empty()) {
      return InvalidArgument(Format("{}: domain {} has a text to validate, but none to train on",
                                    domain.valid.front().string(), name));
    }
    std::sort(domain.train.begin(), domain.train.end());
    std::sort(domain.valid.begin(), domain.valid.end());
    domains.push_back(std::move(domain));
  }
  return domains;
}

Result<std::string> ReadTextFile(const fs::path& path) {
  MOIETY_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file, MappedFile::Open(path));
  const std::string where = path.string();
  std::string text;
  if (path.extension() == ".gz") {
    MOIETY_ASSIGN_OR_RETURN(text, Gunzip(file->bytes(), where));
  } else if (path.extension() == ".zst") {
    MOIETY_ASSIGN_OR_RETURN(text, UnpackZstd(file->bytes(), where));
  } else {
    text.assign(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  }
  if (const size_t valid = ValidUtf8Prefix(text); valid < text.size()) {
    return InvalidData(Format("{}: not UTF-8 at byte {}", where, valid));
  }
  return text;
}

Status ReadDocuments(const CorpusDomain& domain, CorpusPart part,
                     std::span<const std::string> text_fields,
                     const std::function<Status(std::string_view text)>& document) {
  const bool split = domain.valid.empty();
  const auto& files = part == CorpusPart::kValid && !split ? domain.valid : domain.train;
  for (const fs::path& path : files) {
    MOIETY_ASSIGN_OR_RETURN(const std::string whole, ReadTextFile(path));
    std::string_view text = whole;
    size_t first_line = 1;
    if (split) {
      const size_t begin = ValidBegin(text);
      if (part == CorpusPart::kTrain) {
        text = text.substr(0, begin);
      } else {
        first_line += static_cast<size_t>(std::count(text.begin(), text.begin() + begin, '\n'));
        text.remove_prefix(begin);
      }
    }
    if (text.empty()) continue;
    MOIETY_RETURN_IF_ERROR(HasLines(path) ? ReadLines(text, path, first_line, text_fields, document)
                                          : document(text));
  }
  return OkStatus();
}

Result<uint64_t> CorpusHash(const CorpusDomain& domain) {
  Fingerprinter source;
  for (const auto* files : {&domain.train, &domain.valid}) {
    source.Add(uint64_t{files->size()});
    for (const fs::path& path : *files) {
      std::error_code error;
      const auto size = fs::file_size(path, error);
      const auto time = error ? fs::file_time_type() : fs::last_write_time(path, error);
      if (error) return IoError(Format("{}: {}", path.string(), error.message()));
      source.Add(path.string());
      source.Add(uint64_t{size});
      source.Add(static_cast<uint64_t>(time.time_since_epoch().count()));
    }
  }
  return source.Finish()[0];
}

}  // namespace moiety
