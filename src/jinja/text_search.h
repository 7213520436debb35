// Searching for a text in a text.
#ifndef MOIETY_JINJA_TEXT_SEARCH_H_
#define MOIETY_JINJA_TEXT_SEARCH_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "jinja/runtime.h"

namespace moiety::jinja {

// Goes through `text` once, from either end, for the places where `part` stands. The time is linear
// whatever the texts are (that of std::string::find is the product of their lengths), and counted
// as steps of the run, as is the memory. Both texts must outlive it.
class TextFinder {
 public:
  enum class From { kLeft, kRight };
  TextFinder(Runtime& run, std::string_view text, std::string_view part, From from = From::kLeft);

  // The next place, which does not overlap those before; npos after the last, and after an error of
  // the run. An empty part is found any number of times, at the end where the search begins.
  size_t Next();

 private:
  bool Prepare();
  template <bool kBackwards>
  void FillBorders();
  template <bool kBackwards>
  size_t Search() const;

  Runtime& run_;
  std::string_view part_;
  std::string_view rest_;  // what is still to be searched
  size_t offset_ = 0;      // of it in the text
  bool from_right_;
  std::vector<uint32_t> borders_;  // Knuth, Morris, Pratt; empty until needed
};

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_TEXT_SEARCH_H_
