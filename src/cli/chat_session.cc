#include "cli/chat_session.h"

#include <signal.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/format.h"
#include "base/utf8.h"
#include "cli/choice_flags.h"
#include "cli/command.h"
#include "cli/expert_table.h"
#include "cli/terminal.h"

namespace moiety::cli {
namespace {

using nlohmann::json;

volatile std::sig_atomic_t was_interrupted = 0;

// What SIGINT did before. System calls go on: output must not fail because of it.
struct sigaction TakeInterrupts(int flags) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) { was_interrupted = 1; };
  action.sa_flags = SA_RESTART | flags;
  sigaction(SIGINT, &action, &before);
  return before;
}

}  // namespace

ChatSession::ChatSession(Engine& engine, Conversation conversation,
                         std::unique_ptr<RouteWatch> watch, ChatSettings settings)
    : engine_(engine),
      conversation_(std::move(conversation)),
      watch_(std::move(watch)),
      settings_(std::move(settings)),
      colours_(!settings_.json && ShowsColours(stdout)),
      dims_(ShowsColours(stderr)) {}

Result<std::unique_ptr<ChatSession>> ChatSession::Create(Engine& engine,
                                                         std::optional<ChatTemplate> chat_template,
                                                         ChatSettings settings) {
  MOIETY_ASSIGN_OR_RETURN(Conversation conversation,
                          Conversation::Create(engine, std::move(chat_template)));
  // Shares are always counted, so that they can be asked for at any time.
  const bool counts = settings.experts || engine.model().info().num_experts > 0;
  MOIETY_ASSIGN_OR_RETURN(std::unique_ptr<RouteWatch> watch,
                          RouteWatch::Create(engine, counts, /*trace=*/""));
  if (settings.interactive) TakeInterrupts(0);
  return std::unique_ptr<ChatSession>(
      new ChatSession(engine, std::move(conversation), std::move(watch), std::move(settings)));
}

bool ChatSession::interrupted() const { return was_interrupted != 0; }

Status ChatSession::Say(std::string_view text) {
  if (!IsUtf8(text)) Note("the message is not UTF-8: other bytes are read as U+FFFD");
  return Answer([&](const OnToken& on_token, const Conversation::Cancelled& cancelled) {
    return conversation_.Say(text, settings_.generation, on_token, cancelled, watch_->observer());
  });
}

Status ChatSession::AnswerAgain() {
  return Answer([&](const OnToken& on_token, const Conversation::Cancelled& cancelled) {
    return conversation_.AnswerAgain(settings_.generation, on_token, cancelled, watch_->observer());
  });
}

Status ChatSession::Answer(const TurnFunction& turn) {
  was_interrupted = 0;
  // A second Ctrl-C ends a program that nobody sits at.
  struct sigaction before {};
  if (!settings_.interactive) before = TakeInterrupts(SA_RESETHAND);
  bool printed = false;
  const OnToken on_token = [&](const TokenEvent& event) {
    if (!settings_.json && !event.text.empty()) {
      printed = true;
      const bool paint = colours_ && settings_.experts;
      output_status_ = Print(paint ? InExpertColour(event.text, watch_->strongest()) : event.text);
    }
    return output_status_.ok() && !interrupted();
  };
  const uint64_t seed = settings_.generation.sampling.seed;
  Result<Turn> answered = turn(on_token, [this] { return interrupted(); });
  if (!settings_.interactive && !interrupted()) sigaction(SIGINT, &before, nullptr);
  MOIETY_RETURN_IF_ERROR(Status(output_status_));
  if (answered.ok()) {
    ++settings_.generation.sampling.seed;
    output_status_ = PrintTurn(*answered, seed);
  } else if (settings_.json) {
    output_status_ = Print(JsonText({{"error", answered.status().message()}}, -1));
  } else if (printed) {
    output_status_ = Print("\n");
  }
  MOIETY_RETURN_IF_ERROR(Status(output_status_));
  if (answered.ok() && !settings_.json) Comment(*answered);
  return std::move(answered).status();
}

Status ChatSession::PrintTurn(const Turn& turn, uint64_t seed) {
  if (!settings_.json) return Print("\n");
  const GenerationResult& g = turn.generation;
  json document = {
      {"role", "assistant"},
      {"content", turn.text},
      {"finish_reason", FinishReasonName(g.finish_reason)},
      {"kept", turn.kept},
      {"seed", seed},
      {conversation_.is_plain() ? "left_out_bytes" : "left_out_messages", turn.num_left_out},
      {"prompt",
       {{"tokens", g.num_prompt_tokens},
        {"reused_tokens", turn.num_reused_tokens},
        {"seconds", g.prompt_seconds}}},
      {"generation", {{"tokens", g.num_generated_tokens}, {"seconds", g.generation_seconds}}}};
  AddChoiceJson(settings_.limiter, document);
  if (settings_.experts) document["experts"] = ExpertJson(watch_->stats());
  return Print(JsonText(document, -1));
}

void ChatSession::Comment(const Turn& turn) const {
  const GenerationResult& g = turn.generation;
  const int64_t context_length = engine_.model().info().context_length;
  if (turn.newly_left_out) {
    Note(conversation_.is_plain()
             ? Format("the context of {} tokens is full: the first {} bytes of the text are left "
                      "out of what the model sees",
                      context_length, turn.num_left_out)
             : Format("the context of {} tokens is full: the oldest {} messages are left out of "
                      "what the model sees",
                      context_length, turn.num_left_out));
  }
  switch (g.finish_reason) {
    case FinishReason::kContextFull:
      Note(Format("the context of {} tokens is full: the answer was cut", context_length));
      break;
    case FinishReason::kMaxTokens:
      if (!conversation_.is_plain()) {
        Note(Format("the answer was cut at {} tokens", g.num_generated_tokens));
      }
      break;
    case FinishReason::kCancelled:
      Note(turn.kept ? "stopped: what came of the answer is kept"
                     : "stopped before the answer began: the conversation is as before");
      break;
    case FinishReason::kEndOfText:
    case FinishReason::kStopString:
      break;
  }
  if (!settings_.verbose) return;
  // The first token was chosen within the prompt's time.
  const int64_t computed = g.num_prompt_tokens - turn.num_reused_tokens;
  Note(Format(
      "prompt {} tokens, {} reused, {} at {:.1f} tokens/s; answer {} tokens at {:.1f} "
      "tokens/s{}",
      g.num_prompt_tokens, turn.num_reused_tokens, computed,
      TokensPerSecond(computed, g.prompt_seconds), g.num_generated_tokens,
      TokensPerSecond(std::max<int64_t>(0, g.num_generated_tokens - 1), g.generation_seconds),
      g.num_drafted_tokens == 0
          ? ""
          : Format(", {} of {} tokens looked up", g.num_accepted_tokens, g.num_drafted_tokens)));
}

Status ChatSession::Restart(const std::function<Status(Conversation&)>& change) {
  MOIETY_RETURN_IF_ERROR(change(conversation_));
  watch_->ResetStats();
  return OkStatus();
}

Status ChatSession::ShowExperts(bool on) {
  const ModelInfo& info = engine_.model().info();
  if (info.num_experts == 0) {
    return InvalidArgument(Format("a dense {} model has no experts", info.architecture));
  }
  if (on && settings_.generation.lookup.max_ngram > 0) {
    return InvalidArgument("experts are not shown with --lookup: it also computes other tokens");
  }
  settings_.experts = on;
  return OkStatus();
}

Result<std::string> ChatSession::ExpertShares() const {
  const ModelInfo& info = engine_.model().info();
  if (info.num_experts == 0) {
    return InvalidArgument(Format("a dense {} model has no experts", info.architecture));
  }
  if (watch_->stats().layers().empty()) return InvalidArgument("nothing was computed yet");
  return ExpertTable(watch_->stats(), dims_);
}

void ChatSession::Note(const std::string& text) const {
  const std::string note = "[" + text + "]";
  Show((dims_ ? Dim(note) : note) + "\n");
}

void ChatSession::Show(const std::string& text) { std::fputs(text.c_str(), stderr); }

void ChatSession::ShowError(const Status& status) {
  std::fprintf(stderr, "moiety: %s\n", OneLine(status.message()).c_str());
}

}  // namespace moiety::cli
