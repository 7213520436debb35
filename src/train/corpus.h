// Corpus: which text makes which domain.
//
// A domain is a kind of text whose share and loss are counted apart. Texts are files *.txt (one
// document each) and *.jsonl (a document per line), plain or packed as *.gz or *.zst:
//   NAME.train.txt, NAME.valid.txt   domain NAME
//   train.txt, valid.txt             domain with the name of their folder
//   NAME.txt                         domain NAME; its last tenth, from a line's beginning on, is
//   for
//                                    validation
// Files NAME.test.* and test.* are left alone, as is what is in a folder and none of these (tables,
// README, …).
#ifndef MOIETY_TRAIN_CORPUS_H_
#define MOIETY_TRAIN_CORPUS_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "moiety/status.h"

namespace moiety {

struct CorpusDomain {
  std::string name;
  std::vector<std::filesystem::path> train;  // sorted
  std::vector<std::filesystem::path> valid;  // empty: the last tenth of `train`
};

// The domains of files and folders (not what is in folders of theirs), sorted by name. Fails with
// kNotFound for what is not there, and with kInvalidArgument for a file of another kind, a folder
// without texts, or a domain that has only a part for validation.
Result<std::vector<CorpusDomain>> FindDomains(std::span<const std::string> paths);

enum class CorpusPart : uint8_t { kTrain, kValid };

// Calls document(text) for each document of a part, in order. Texts are UTF-8; of a line of
// *.jsonl, the fields `text_fields`, strings, joined by line breaks.
// Fails for what `document` returns, for a file that cannot be read or unpacked, and for a line
// that is no such object (file and line are named).
Status ReadDocuments(const CorpusDomain& domain, CorpusPart part,
                     std::span<const std::string> text_fields,
                     const std::function<Status(std::string_view text)>& document);

// Changes with the files that a part is made of: their names, sizes and times.
Result<uint64_t> CorpusHash(const CorpusDomain& domain);

// The text of a file, unpacked if its name says so.
Result<std::string> ReadTextFile(const std::filesystem::path& path);

}  // namespace moiety

#endif  // MOIETY_TRAIN_CORPUS_H_
