#include "cli/gguf_job.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/format.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "convert/gguf_output.h"

namespace moiety::cli {
namespace {

using nlohmann::json;

uint64_t Parameters(const GgufReport& report) {
  uint64_t count = 0;
  for (const TensorReport& tensor : report.tensors) {
    count += static_cast<uint64_t>(*NumElements(tensor.shape));
  }
  return count;
}

double BitsPerWeight(const GgufReport& report) {
  const uint64_t count = Parameters(report);
  return count == 0 ? 0 : 8 * static_cast<double>(report.bytes) / static_cast<double>(count);
}

json ToJson(const GgufReport& report, const GgufInput& input, const TypeMix& mix, double seconds) {
  json document = {{"type", mix.name},
                   {"parameters", Parameters(report)},
                   {"source_bytes", report.source_bytes},
                   {"bytes", report.bytes},
                   {"bits_per_weight", BitsPerWeight(report)},
                   {"seconds", seconds},
                   {"files", json::array()},
                   {"notes", input.notes},
                   {"tensors", json::array()}};
  for (const auto& file : report.files) document["files"].push_back(file.string());
  for (const TensorReport& tensor : report.tensors) {
    json row = {{"name", tensor.name},
                {"shape", tensor.shape},
                {"source", DTypeName(tensor.source)},
                {"dtype", DTypeName(tensor.dtype)},
                {"bytes", tensor.bytes},
                {"importance", tensor.has_importance}};
    if (tensor.wanted != tensor.dtype) row["instead_of"] = DTypeName(tensor.wanted);
    if (!tensor.uncovered_experts.empty()) row["uncovered_experts"] = tensor.uncovered_experts;
    document["tensors"].push_back(std::move(row));
  }
  return document;
}

// "blk.3.attn_k.weight" → "blk.*.attn_k.weight": layers are told together.
std::string AnyLayer(const std::string& name) {
  const size_t begin = name.find('.') + 1;
  const size_t end = name.find('.', begin);
  if (!name.starts_with("blk.") || end == std::string::npos) return name;
  return name.substr(0, begin) + "*" + name.substr(end);
}

// Lines "  NAME (12 tensors)" under a heading; nothing where there are none.
class NameList {
 public:
  void Add(const std::string& group, const std::string& name) { ++groups_[group][AnyLayer(name)]; }
  std::string Text(std::string_view heading) const {
    if (groups_.empty()) return "";
    std::string text = std::string(heading) + "\n";
    for (const auto& [group, names] : groups_) {
      for (const auto& [name, count] : names) {
        text += Format("  {}{}{}\n", group, OneLine(name),
                       count == 1 ? "" : Format(" ({} tensors)", count));
      }
    }
    return text;
  }

 private:
  std::map<std::string, std::map<std::string, int>> groups_;
};

std::string Numbers(const std::vector<int64_t>& numbers) {
  std::string text;
  for (const int64_t number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text;
}

std::string ToText(const GgufReport& report, const GgufInput& input, const TypeMix& mix,
                   bool has_imatrix, double seconds) {
  const std::string files =
      report.files.size() == 1 ? "" : Format(" in {} files", report.files.size());
  std::string text = Format(
      "{}: {}{}, {} parameters, {} from {}, {:.2f} bits per weight, {:.1f} s\n",
      OneLine(report.files[0].string()), mix.name, files, FormatCount(Parameters(report)),
      FormatBytes(report.bytes), FormatBytes(report.source_bytes), BitsPerWeight(report), seconds);
  struct Sum {
    int64_t tensors = 0;
    uint64_t bytes = 0;
  };
  std::map<std::string_view, Sum> sums;
  NameList instead, unweighted, uncovered;
  for (const TensorReport& tensor : report.tensors) {
    Sum& sum = sums[DTypeName(tensor.dtype)];
    ++sum.tensors;
    sum.bytes += tensor.bytes;
    if (tensor.wanted != tensor.dtype) {
      instead.Add(Format("{} instead of {}: ", DTypeName(tensor.dtype), DTypeName(tensor.wanted)),
                  tensor.name);
    }
    if (has_imatrix && IsBlockFormat(tensor.dtype) && !tensor.has_importance) {
      unweighted.Add("", tensor.name);
    }
    if (!tensor.uncovered_experts.empty()) {
      uncovered.Add(Format("experts {} of ", Numbers(tensor.uncovered_experts)), tensor.name);
    }
  }
  text += Format("\n{:<8} {:>8} {:>10}\n", "type", "tensors", "bytes");
  for (const auto& [name, sum] : sums) {
    text += Format("{:<8} {:>8} {:>10}\n", name, sum.tensors, FormatBytes(sum.bytes));
  }
  text += instead.Text("\nrows that are no whole number of blocks:");
  text += unweighted.Text("\nnot in the importance matrix, all errors count the same:");
  text +=
      uncovered.Text("\nno token of the importance matrix met them, all errors count the same:");
  for (const std::string& note : input.notes) text += Format("\nnote: {}\n", OneLine(note));
  return text;
}

}  // namespace

Status RunGgufJob(const GgufInput& input, const GgufJob& job) {
  TypeOptions type_options;
  type_options.pure = job.pure;
  type_options.has_importance = !job.imatrix.empty();
  for (const std::string& text : job.tensor_types) {
    MOIETY_ASSIGN_OR_RETURN(TensorTypeRule rule, ParseTensorTypeRule(text));
    type_options.tensor_types.push_back(std::move(rule));
  }
  GgufOutputOptions options;
  options.allow_requantize = job.allow_requantize;
  if (!job.split_max_size.empty()) ParseBytes(job.split_max_size, &options.split_max_bytes);
  std::optional<Imatrix> imatrix;
  if (!job.imatrix.empty()) {
    MOIETY_ASSIGN_OR_RETURN(imatrix, ReadImatrix(job.imatrix));
    options.imatrix = &*imatrix;
  }
  MOIETY_ASSIGN_OR_RETURN(const auto types, ChooseTypes(*job.mix, type_options, input.tensors));

  StopOnInterrupt();
  ThreadPool pool(job.num_threads > 0 ? job.num_threads : UsableCpus());
  const auto start = std::chrono::steady_clock::now();
  std::optional<GgufReport> report;
  {
    std::optional<ProgressBar> bar;
    MOIETY_ASSIGN_OR_RETURN(report, WriteGguf(job.out, input, *job.mix, types, options, pool,
                                              [&](uint64_t done, uint64_t total) {
                                                if (!bar)
                                                  bar.emplace("writing",
                                                              static_cast<int64_t>(total), "bytes");
                                                bar->Update(static_cast<int64_t>(done));
                                                return GoesOn();
                                              }));
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return Print(job.json ? JsonText(ToJson(*report, input, *job.mix, seconds))
                        : ToText(*report, input, *job.mix, imatrix.has_value(), seconds));
}

}  // namespace moiety::cli
