#include "tokenize/split_words.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/format.h"
#include "format/config_reader.h"
#include "format/json.h"

namespace moiety {
namespace {

struct Piece {
  size_t begin;
  size_t end;
  bool match;
};

// Joins pieces that belong together. Exactly the rules of the reference, also for matches side by
// side: of these the first is merged, the others stay alone.
void Merge(SplitBehavior behavior, std::vector<Piece>& pieces) {
  if (behavior == SplitBehavior::kRemoved || behavior == SplitBehavior::kIsolated) return;
  const bool with_next = behavior == SplitBehavior::kMergedWithNext;
  if (with_next) std::reverse(pieces.begin(), pieces.end());
  size_t kept = 0;
  bool previous_match = false;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Piece piece = pieces[i];
    const bool joins =
        kept > 0 && (behavior == SplitBehavior::kContiguous ? piece.match == previous_match
                                                            : piece.match && !previous_match);
    previous_match = piece.match;
    if (!joins) {
      pieces[kept++] = piece;
    } else if (with_next) {
      pieces[kept - 1].begin = piece.begin;
    } else {
      pieces[kept - 1].end = piece.end;
    }
  }
  pieces.resize(kept);
  if (with_next) std::reverse(pieces.begin(), pieces.end());
}

}  // namespace

Result<SplitBehavior> ReadSplitBehavior(const Component& component) {
  constexpr std::pair<std::string_view, SplitBehavior> kNames[] = {
      {"Removed", SplitBehavior::kRemoved},
      {"Isolated", SplitBehavior::kIsolated},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous},
  };
  ConfigReader reader(component.json, component.where);
  const std::string name = reader.String("behavior");
  MOIETY_RETURN_IF_ERROR(reader.status());
  std::string list;
  for (const auto& [known, behavior] : kNames) {
    if (name == known) return behavior;
    list += Format("{}{}", list.empty() ? "" : ", ", known);
  }
  return InvalidData(Format("{}: \"behavior\" must be one of {}, found {}", component.where, list,
                            ShowJson(name)));
}

Status SplitWords(Words& words, SplitBehavior behavior, bool invert, const FindMatches& find) {
  std::vector<size_t> ends;
  ends.reserve(words.ends.size());
  std::string text;  // without what was removed
  std::vector<Regex::Match> matches;
  std::vector<Piece> pieces;
  const bool removes = behavior == SplitBehavior::kRemoved;
  bool starts = true;  // is what is left the beginning of the text?
  size_t word_begin = 0;
  for (const size_t word_end : words.ends) {
    const std::string_view word =
        std::string_view(words.text).substr(word_begin, word_end - word_begin);
    matches.clear();
    MOIETY_RETURN_IF_ERROR(find(word, matches));
    if (matches.empty() && !removes) {  // most words
      ends.push_back(word_end);
      word_begin = word_end;
      continue;
    }
    pieces.clear();
    size_t done = 0;
    for (const Regex::Match& match : matches) {
      if (match.begin > done) pieces.push_back({done, match.begin, invert});
      pieces.push_back({match.begin, match.end, !invert});
      done = match.end;
    }
    if (done < word.size()) pieces.push_back({done, word.size(), invert});
    Merge(behavior, pieces);
    for (const Piece& piece : pieces) {
      if (piece.begin == piece.end || (removes && piece.match)) continue;
      if (ends.empty()) starts = word_begin + piece.begin == 0;
      if (removes) {
        text += word.substr(piece.begin, piece.end - piece.begin);
        ends.push_back(text.size());
      } else {
        ends.push_back(word_begin + piece.end);
      }
    }
    word_begin = word_end;
  }
  if (removes) {
    if (!starts) words.starts_text = false;
    words.text = std::move(text);
  }
  words.ends = std::move(ends);
  return OkStatus();
}

}  // namespace moiety
