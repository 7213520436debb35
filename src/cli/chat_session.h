// ChatSession: a conversation with its output. Answers go to standard output; all that is about
// them goes to standard error.
#ifndef MOIETY_CLI_CHAT_SESSION_H_
#define MOIETY_CLI_CHAT_SESSION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/route_watch.h"
#include "moiety/status.h"
#include "routing/choice_limits.h"
#include "runtime/conversation.h"

namespace moiety::cli {

struct ChatSettings {
  GenerationOptions generation;  // the seed is that of the next answer, and grows by 1 with each
  bool interactive = false;  // a person at a terminal: Ctrl-C stops an answer, never the program
  bool json = false;         // answers are JSON objects, one a line
  bool verbose = false;      // figures after each answer
  bool experts = false;      // colours of experts from the start; the table at the end
  const ChoiceLimiter* limiter = nullptr;  // of the engine, if there is one; outlives the session
};

class ChatSession {
 public:
  // Takes the interrupt signal: for good if interactive, else while an answer comes. The engine
  // must outlive the session. Fails for --experts with a dense model.
  static Result<std::unique_ptr<ChatSession>> Create(Engine& engine,
                                                     std::optional<ChatTemplate> chat_template,
                                                     ChatSettings settings);

  // A turn. What fails leaves the conversation as it was, and the session usable, unless
  // output_status() says that nobody takes the output.
  Status Say(std::string_view text);
  Status AnswerAgain();

  const Status& output_status() const { return output_status_; }
  // The latest turn was stopped by the user.
  bool interrupted() const;

  Engine& engine() { return engine_; }
  const Conversation& conversation() const { return conversation_; }
  // For changes that start the conversation again: on success, what was counted starts again too.
  Status Restart(const std::function<Status(Conversation&)>& change);
  GenerationOptions& generation() { return settings_.generation; }

  // Fails for a dense model.
  Status ShowExperts(bool on);
  // Shares of the experts in what was computed since the conversation started; an error if that is
  // nothing.
  Result<std::string> ExpertShares() const;

  void End() { ended_ = true; }
  bool ended() const { return ended_; }

  // "[text]" for what the program has to say, and text as it is for what was asked of it.
  void Note(const std::string& text) const;
  static void Show(const std::string& text);
  static void ShowError(const Status& status);

 private:
  using TurnFunction = std::function<Result<Turn>(const OnToken&, const Conversation::Cancelled&)>;

  ChatSession(Engine& engine, Conversation conversation, std::unique_ptr<RouteWatch> watch,
              ChatSettings settings);
  Status Answer(const TurnFunction& turn);
  Status PrintTurn(const Turn& turn, uint64_t seed);
  void Comment(const Turn& turn) const;

  Engine& engine_;
  Conversation conversation_;
  std::unique_ptr<RouteWatch> watch_;
  ChatSettings settings_;
  bool colours_, dims_;
  bool ended_ = false;
  Status output_status_;
};

}  // namespace moiety::cli

#endif  // MOIETY_CLI_CHAT_SESSION_H_
