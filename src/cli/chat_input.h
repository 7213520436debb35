// What a user types, from lines to messages: a line is a message; one that ends in a backslash goes
// on in the next; """ begins a block that goes on, whatever is in it, until """ ends a line.
#ifndef MOIETY_CLI_CHAT_INPUT_H_
#define MOIETY_CLI_CHAT_INPUT_H_

#include <string>

#include "moiety/status.h"

namespace moiety::cli {

// kUnfinished is of messages only: the input ended within it.
enum class InputKind { kText, kInterrupted, kUnfinished, kEnd };

// Where lines come from: a terminal or a pipe.
class LineSource {
 public:
  struct Line {
    InputKind kind = InputKind::kText;
    std::string text;  // without its end; a terminal may give several lines at once (a paste)
  };
  virtual ~LineSource() = default;
  // `continued`: more of the same message.
  virtual Result<Line> ReadLine(bool continued) = 0;
};

// Standard input as it comes.
class StandardInputLines : public LineSource {
 public:
  Result<Line> ReadLine(bool continued) override;

 private:
  std::string buffer_;
  bool ended_ = false;
};

struct ChatInputText {
  InputKind kind = InputKind::kText;
  std::string text;
  bool is_block = false;      // written in """: never a command
  bool is_command() const;    // a slash and a letter
  std::string typed() const;  // what gives this input when it is typed at once
};

// The next message. Of an interrupted or unfinished one, the text is what there was: it is not to
// be sent.
Result<ChatInputText> ReadChatInput(LineSource& lines);

}  // namespace moiety::cli

#endif  // MOIETY_CLI_CHAT_INPUT_H_
