#include "runtime/conversation.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/format.h"
#include "base/utf8.h"
#include "runtime/generate.h"

namespace moiety {
namespace {

using Clock = std::chrono::steady_clock;

bool StartsWithSystem(std::span<const ChatMessage> messages) {
  return !messages.empty() && messages.front().role == "system";
}

std::string Joined(std::span<const ChatMessage> messages) {
  std::string text;
  for (const ChatMessage& message : messages) text += message.content;
  return text;
}

// Where a text that may begin at `offset` begins, at most at `end`: at a character, and after the
// next blank or line break if one is near.
size_t BeginningNear(std::string_view text, size_t offset, size_t end) {
  constexpr size_t kNear = 64;
  while (offset < end && IsUtf8Continuation(text[offset])) ++offset;
  if (offset == 0) return 0;
  for (size_t i = offset; i < std::min(end, offset + kNear); ++i) {
    if (text[i - 1] == ' ' || text[i - 1] == '\n') return i;
  }
  return offset;
}

}  // namespace

Result<Conversation> Conversation::Create(Engine& engine,
                                          std::optional<ChatTemplate> chat_template) {
  MOIETY_ASSIGN_OR_RETURN(const Tokenizer* const tokenizer, engine.tokenizer());
  return Conversation(engine, *tokenizer, std::move(chat_template));
}

void Conversation::Restart() {
  left_out_ = 0;
  const std::time_t now = std::time(nullptr);
  localtime_r(&now, &started_);
}

std::string Conversation::system() const { return has_system() ? messages_.front().content : ""; }

void Conversation::Reset() {
  messages_.resize(has_system() ? 1 : 0);
  Restart();
}

Status Conversation::SetSystem(const std::string& text) {
  if (is_plain()) {
    return Unsupported(
        "the model has no chat template: it continues a text and knows no system prompt");
  }
  messages_.clear();
  if (!text.empty()) messages_.push_back({"system", ToValidUtf8(text)});
  Restart();
  return OkStatus();
}

Status Conversation::SetMessages(std::vector<ChatMessage> messages) {
  const size_t first = StartsWithSystem(messages) ? 1 : 0;
  if (first == 1 && is_plain()) {
    return Unsupported("message 1 is a system message, but the model has no chat template");
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string expected = (i - first) % 2 == 0 ? "user" : "assistant";
    if (i >= first && messages[i].role != expected) {
      return InvalidArgument(Format("message {} must be of role \"{}\", found \"{}\"", i + 1,
                                    expected, ToValidUtf8(messages[i].role)));
    }
    if (!IsUtf8(messages[i].content)) {
      return InvalidArgument(Format("message {} is not UTF-8", i + 1));
    }
  }
  if ((messages.size() - first) % 2 != 0) {
    return InvalidArgument("the last message is the user's: the answer to it is missing");
  }
  messages_ = std::move(messages);
  Restart();
  return OkStatus();
}

Result<Turn> Conversation::Say(std::string_view text, const GenerationOptions& options,
                               const OnToken& on_token, const Cancelled& cancelled,
                               Observer* observer) {
  std::vector<ChatMessage> messages = messages_;
  messages.push_back({"user", ToValidUtf8(text)});
  return Answer(std::move(messages), options, on_token, cancelled, observer);
}

Result<Turn> Conversation::AnswerAgain(const GenerationOptions& options, const OnToken& on_token,
                                       const Cancelled& cancelled, Observer* observer) {
  if (messages_.size() < 2) return InvalidArgument("there is no answer yet");
  return Answer({messages_.begin(), messages_.end() - 1}, options, on_token, cancelled, observer);
}

Result<Conversation::Prompt> Conversation::EncodePrompt(std::span<const ChatMessage> messages,
                                                        size_t left_out) const {
  Prompt prompt;
  prompt.left_out = left_out;
  if (is_plain()) {
    const std::string text = Joined(messages);
    if (left_out > 0) {
      prompt.left_out = BeginningNear(text, left_out, text.size() - messages.back().content.size());
    }
    MOIETY_ASSIGN_OR_RETURN(prompt.ids,
                            tokenizer_->Encode(std::string_view(text).substr(prompt.left_out)));
    return prompt;
  }
  ChatInput input;
  input.now = started_;
  const size_t first = StartsWithSystem(messages) ? 1 : 0;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (i >= first && i < first + 2 * left_out) continue;
    input.messages.push_back({{"role", messages[i].role}, {"content", messages[i].content}});
  }
  MOIETY_ASSIGN_OR_RETURN(const std::string text, template_->Render(input));
  MOIETY_ASSIGN_OR_RETURN(prompt.ids, tokenizer_->Encode(text, /*add_special=*/false));
  return prompt;
}

Result<Conversation::Prompt> Conversation::FittingPrompt(std::span<const ChatMessage> messages,
                                                         int64_t max_tokens) const {
  const int64_t context_length = engine_->model().info().context_length;
  const int64_t quarter = std::max<int64_t>(1, context_length / 4);
  const int64_t room = max_tokens < 0 ? quarter : std::clamp<int64_t>(max_tokens, 1, quarter);
  const auto fits = [](const Prompt& prompt, int64_t limit) {
    return static_cast<int64_t>(prompt.ids.size()) <= limit;
  };
  MOIETY_ASSIGN_OR_RETURN(Prompt prompt, EncodePrompt(messages, left_out_));
  if (fits(prompt, context_length - room)) return prompt;

  // What can be left out at most keeps the last message whole.
  size_t most = 0;
  if (is_plain()) {
    most = Joined(messages.first(messages.size() - 1)).size();
  } else {
    most = (messages.size() - (StartsWithSystem(messages) ? 1 : 0)) / 2;
  }
  // The least that makes enough free, by bisection: a prompt has a cost.
  size_t least = left_out_;
  MOIETY_ASSIGN_OR_RETURN(prompt, EncodePrompt(messages, most));
  size_t found = most;
  while (least < found) {
    const size_t middle = least + (found - least) / 2;
    MOIETY_ASSIGN_OR_RETURN(Prompt shorter, EncodePrompt(messages, middle));
    if (fits(shorter, context_length - room - quarter)) {
      found = middle;
      prompt = std::move(shorter);
    } else {
      least = middle + 1;
    }
  }
  // The last message needs no more room than one token.
  if (fits(prompt, context_length - 1)) return prompt;
  return InvalidArgument(Format(
      "the message does not fit: with what always goes before it, it is {} tokens, and the model's "
      "context is {}",
      prompt.ids.size(), context_length));
}

Result<Turn> Conversation::Answer(std::vector<ChatMessage> messages,
                                  const GenerationOptions& options, const OnToken& on_token,
                                  const Cancelled& cancelled, Observer* observer) {
  const Clock::time_point start = Clock::now();
  MOIETY_ASSIGN_OR_RETURN(Prompt prompt, FittingPrompt(messages, options.max_tokens));
  const std::vector<int32_t> ids = std::move(prompt.ids);
  if (ids.empty()) return InvalidArgument("there is nothing to answer: the text has no tokens");

  // The last token is always computed: it gives the logits of the answer's first.
  const std::span<const int32_t> held = sequence_->ids();
  const auto common = std::mismatch(held.begin(), held.end(), ids.begin(), ids.end() - 1);
  const auto num_held = static_cast<int64_t>(common.first - held.begin());
  sequence_->Truncate(num_held);
  Turn turn;
  turn.num_reused_tokens = num_held;
  turn.num_left_out = static_cast<int64_t>(is_plain() ? prompt.left_out : 2 * prompt.left_out);
  turn.newly_left_out = prompt.left_out > left_out_;

  const double rendered_seconds = std::chrono::duration<double>(Clock::now() - start).count();
  MOIETY_ASSIGN_OR_RETURN(turn.generation, Generate(
                                               *engine_, *sequence_, ids, options,
                                               [&](const TokenEvent& event) {
                                                 turn.text += event.text;
                                                 return on_token(event);
                                               },
                                               observer, num_held, cancelled));
  turn.generation.prompt_seconds += rendered_seconds;
  turn.kept = turn.generation.finish_reason != FinishReason::kCancelled || !turn.text.empty();
  if (turn.kept) {
    messages.push_back({"assistant", turn.text});
    messages_ = std::move(messages);
    left_out_ = prompt.left_out;
  }
  return turn;
}

}  // namespace moiety
