// LineEditor: lines typed on a terminal, with libedit: keys of emacs (or of ~/.editrc), recall of
// earlier input, completion of commands, pasted text with its line breaks.
#ifndef MOIETY_CLI_LINE_EDITOR_H_
#define MOIETY_CLI_LINE_EDITOR_H_

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/chat_input.h"
#include "moiety/status.h"

namespace moiety::cli {

class LineEditor : public LineSource {
 public:
  // Standard input must be a terminal; `out` is one to draw on. Sets the character type of the
  // process's locale to UTF-8, which libedit draws with, and takes the window size signal.
  static Result<std::unique_ptr<LineEditor>> Create(std::FILE* out);
  ~LineEditor() override;
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // What Tab completes at the beginning of a line.
  void SetCompletions(const std::vector<std::string>& words);
  // Adds an entry that the arrow keys recall. Entries may have line breaks.
  void Remember(const std::string& text);

  // Ctrl-C gives kInterrupted with what had been typed, Ctrl-D on an empty line kEnd. A signal that
  // ends the program meanwhile leaves the terminal as it was before; only one editor may read.
  Result<Line> ReadLine(bool continued) override;

 private:
  struct State;
  explicit LineEditor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace moiety::cli

#endif  // MOIETY_CLI_LINE_EDITOR_H_
