// StopStrings: finds the end of a text while it is being written.
#ifndef MOIETY_RUNTIME_STOP_STRINGS_H_
#define MOIETY_RUNTIME_STOP_STRINGS_H_

#include <string>
#include <string_view>
#include <vector>

namespace moiety {

// Takes the text piece by piece and hands on what can be no part of a stop string.
class StopStrings {
 public:
  // Empty strings are ignored.
  explicit StopStrings(std::vector<std::string> stops);

  // The text that is final now. Once a stop string was found, found() is true, the text returned
  // ends before it, and nothing more may be fed.
  std::string Next(std::string_view text);
  // What was held back, when the text ends without a stop string.
  std::string Finish();
  bool found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool found_ = false;
};

}  // namespace moiety

#endif  // MOIETY_RUNTIME_STOP_STRINGS_H_
