// Conversation: messages, and the sequence that computed them. For every turn the model's chat
// template renders all messages anew; what the sequence holds of the result, token by token from
// the start, is not computed again. The answers are the same bits as without that.
//
// Without a template the model continues a text: the contents of all messages, joined as they are.
//
// When the context is full. A prompt must leave room for the answer: max_tokens, at most a quarter
// of the model's context. If it does not, the oldest part is left out of what the model sees (the
// messages stay): pairs of a user's and an assistant's message after the system message, or the
// beginning of a text. Another quarter is made free at once, so that the turns that follow find
// their beginning computed. A last message that fits only without that room is answered in what is
// left; one that does not fit at all is an error, and the conversation stays as it was.
#ifndef MOIETY_RUNTIME_CONVERSATION_H_
#define MOIETY_RUNTIME_CONVERSATION_H_

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "chat/chat_template.h"
#include "moiety/generation.h"
#include "moiety/status.h"
#include "ops/observer.h"
#include "runtime/engine.h"
#include "runtime/kv_pages.h"

namespace moiety {

struct ChatMessage {
  std::string role;  // "system" (the first only), "user", "assistant"
  std::string content;
  bool operator==(const ChatMessage&) const = default;
};

// One answer and how it came about.
struct Turn {
  GenerationResult generation;    // its prompt counts what was reused
  int64_t num_reused_tokens = 0;  // of the prompt, computed in earlier turns
  std::string text;
  bool kept = true;  // false: cancelled before any text came; the conversation is as before
  // What the model did not see, and whether that is more than in the turn before: messages with a
  // template, bytes of the text without.
  int64_t num_left_out = 0;
  bool newly_left_out = false;
};

// Calls of one thread at a time. The engine must outlive it.
class Conversation {
 public:
  // Asked between the steps of a long prompt; true ends the turn.
  using Cancelled = std::function<bool()>;

  // Fails where the model has no tokenizer. No template: plain text.
  static Result<Conversation> Create(Engine& engine, std::optional<ChatTemplate> chat_template);

  bool is_plain() const { return !template_.has_value(); }
  const std::vector<ChatMessage>& messages() const { return messages_; }
  // Empty if there is none.
  std::string system() const;

  // Starts again; the system message stays.
  void Reset();
  // Starts again with this system message, or without one. Fails for plain text.
  Status SetSystem(const std::string& text);
  // Starts again with these: perhaps a system message, then pairs of user and assistant, all of
  // them UTF-8. On failure the conversation is as before.
  Status SetMessages(std::vector<ChatMessage> messages);

  // Adds the user's message and the model's answer, of which on_token gets each token. An answer
  // that is cancelled (by on_token, or by `cancelled`) is kept as far as it came. On failure the
  // conversation is as before; a template that refuses the messages gives its own words. `text` is
  // read as UTF-8; what is not becomes U+FFFD.
  Result<Turn> Say(std::string_view text, const GenerationOptions& options, const OnToken& on_token,
                   const Cancelled& cancelled = nullptr, Observer* observer = nullptr);
  // Replaces the last answer. Fails if there is none.
  Result<Turn> AnswerAgain(const GenerationOptions& options, const OnToken& on_token,
                           const Cancelled& cancelled = nullptr, Observer* observer = nullptr);

 private:
  struct Prompt {
    std::vector<int32_t> ids;
    size_t left_out = 0;
  };

  Conversation(Engine& engine, const Tokenizer& tokenizer,
               std::optional<ChatTemplate> chat_template)
      : engine_(&engine),
        tokenizer_(&tokenizer),
        template_(std::move(chat_template)),
        sequence_(std::make_unique<Sequence>(engine.pages())) {
    Restart();
  }

  void Restart();
  bool has_system() const { return !messages_.empty() && messages_.front().role == "system"; }
  // `messages` end with the user's.
  Result<Turn> Answer(std::vector<ChatMessage> messages, const GenerationOptions& options,
                      const OnToken& on_token, const Cancelled& cancelled, Observer* observer);
  Result<Prompt> FittingPrompt(std::span<const ChatMessage> messages, int64_t max_tokens) const;
  Result<Prompt> EncodePrompt(std::span<const ChatMessage> messages, size_t left_out) const;

  Engine* engine_;
  const Tokenizer* tokenizer_;
  std::optional<ChatTemplate> template_;
  std::tm
      started_{};  // what templates take for now: a date that changes would change the beginning
  std::vector<ChatMessage> messages_;
  std::unique_ptr<Sequence> sequence_;
  // Only grows until the conversation starts again: pairs, or bytes of the plain text.
  size_t left_out_ = 0;
};

}  // namespace moiety

#endif  // MOIETY_RUNTIME_CONVERSATION_H_
