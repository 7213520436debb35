// moiety chat: a conversation with a model, at a terminal or through a pipe.
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/format.h"
#include "cli/chat_commands.h"
#include "cli/chat_input.h"
#include "cli/chat_session.h"
#include "cli/choice_flags.h"
#include "cli/command.h"
#include "cli/input_history.h"
#include "cli/line_editor.h"
#include "cli/lookup_flags.h"
#include "cli/sampling_flags.h"
#include "cli/template_flags.h"
#include "cli/terminal.h"

namespace moiety::cli {
namespace {

// A text has no end that a model would know.
constexpr int64_t kPlainTokens = 256;

struct ChatFlags {
  std::string model, system, system_file, prompt;
  TemplateFlags chat_template;
  GenerationOptions generation;
  SamplingFlags sampling;
  std::optional<int64_t> max_tokens;
  bool experts = false, json = false, verbose = false, no_history = false;
  ChoiceLimits choices;
  EngineFlags engine;
};

// Lines from a terminal, remembered from session to session.
class TerminalInput {
 public:
  // A history that cannot be read or written is a warning, once.
  static Result<std::unique_ptr<TerminalInput>> Create(bool with_history) {
    std::FILE* out = isatty(STDOUT_FILENO) != 0 ? stdout : stderr;
    MOIETY_ASSIGN_OR_RETURN(std::unique_ptr<LineEditor> editor, LineEditor::Create(out));
    editor->SetCompletions(ChatCommandNames());
    std::unique_ptr<TerminalInput> input(new TerminalInput(std::move(editor)));
    if (with_history) input->history_ = InputHistory(InputHistory::DefaultPath());
    input->Warn(input->history_.Load());
    for (const std::string& entry : input->history_.entries()) input->editor_->Remember(entry);
    return input;
  }

  LineSource& lines() { return *editor_; }

  void Remember(const ChatInputText& input) {
    if (input.text.empty()) return;
    editor_->Remember(input.typed());
    Warn(history_.Add(input.typed()));
  }

 private:
  explicit TerminalInput(std::unique_ptr<LineEditor> editor) : editor_(std::move(editor)) {}

  void Warn(const Status& status) {
    if (!status.ok() && !warned_) ChatSession::ShowError(status);
    warned_ = warned_ || !status.ok();
  }

  std::unique_ptr<LineEditor> editor_;
  InputHistory history_;
  bool warned_ = false;
};

bool IsBlank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

// What one input asks for.
Status Respond(ChatSession& session, const ChatInputText& input) {
  if (input.is_command()) return RunChatCommand(session, input.text);
  // Nothing was said; but a text goes on.
  const Conversation& conversation = session.conversation();
  if (IsBlank(input.text) && !(conversation.is_plain() && !conversation.messages().empty())) {
    return OkStatus();
  }
  return session.Say(input.text);
}

Status ChatAtTerminal(ChatSession& session, const ChatFlags& flags, bool has_prompt) {
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<TerminalInput> terminal,
                          TerminalInput::Create(!flags.no_history));
  const auto respond = [&](const ChatInputText& input) {
    if (const Status status = Respond(session, input); !status.ok() && session.output_status().ok())
      ChatSession::ShowError(status);
  };
  if (has_prompt) respond({InputKind::kText, flags.prompt, /*is_block=*/true});
  int interrupts = 0;  // in a row, at an empty prompt
  while (!session.ended() && session.output_status().ok()) {
    MOIETY_ASSIGN_OR_RETURN(const ChatInputText input, ReadChatInput(terminal->lines()));
    if (input.kind == InputKind::kEnd) break;
    if (input.kind == InputKind::kInterrupted) {
      interrupts = input.text.empty() ? interrupts + 1 : 0;
      if (interrupts == 2) break;
      if (interrupts == 1) session.Note("Ctrl-C again, Ctrl-D or /exit ends the chat");
      continue;
    }
    interrupts = 0;
    if (input.kind == InputKind::kUnfinished) {
      session.Note("the message had no end: it is dropped");
      continue;
    }
    terminal->Remember(input);
    respond(input);
  }
  return session.output_status();
}

// Each line in turn; what fails does not keep the rest from being answered.
Status ChatThroughPipe(ChatSession& session, const ChatFlags& flags, bool has_prompt) {
  StandardInputLines lines;
  int64_t count = 0;
  int64_t failures = 0;
  while (!session.ended()) {
    ChatInputText input{InputKind::kText, flags.prompt, /*is_block=*/true};
    if (!has_prompt) {
      MOIETY_ASSIGN_OR_RETURN(input, ReadChatInput(lines));
    }
    if (input.kind == InputKind::kUnfinished) {
      return InvalidArgument(input.is_block
                                 ? "the block that began with \"\"\" has no end"
                                 : "the last line ends in a backslash, and no line follows it");
    }
    if (input.kind != InputKind::kText) break;
    ++count;
    Status status = Respond(session, input);
    MOIETY_RETURN_IF_ERROR(Status(session.output_status()));
    if (session.interrupted()) return Cancelled("interrupted");
    if (!status.ok() && has_prompt) return status;
    if (!status.ok()) {
      ++failures;
      ChatSession::ShowError(status);
    }
    if (has_prompt) break;
  }
  if (failures == 0) return OkStatus();
  return InvalidArgument(Format("{} of {} inputs failed", failures, count));
}

Status Chat(const CLI::App& command, ChatFlags& flags) {
  std::filesystem::path path = flags.model;
  if (flags.model.empty()) {
    MOIETY_ASSIGN_OR_RETURN(path, BundledModel());
  }
  if (!flags.system_file.empty()) {
    MOIETY_ASSIGN_OR_RETURN(flags.system, ReadText(flags.system_file));
    while (flags.system.ends_with('\n')) flags.system.pop_back();
  }
  MOIETY_ASSIGN_OR_RETURN(std::optional<ChatTemplate> chat_template,
                          OpenTemplate(flags.chat_template, path));
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, OpenEngine(path, flags.engine));
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<ChoiceLimiter> limiter,
                          LimitChoices(*engine, flags.choices));

  ChatSettings settings;
  settings.limiter = limiter.get();
  settings.generation = flags.generation;
  MOIETY_ASSIGN_OR_RETURN(settings.generation.sampling,
                          ReadSamplingFlags(flags.sampling, engine->generation_config()));
  settings.generation.max_tokens = flags.max_tokens.value_or(
      engine->generation_config().max_new_tokens.value_or(chat_template ? -1 : kPlainTokens));
  const bool interactive = !flags.json && isatty(STDIN_FILENO) != 0 &&
                           (isatty(STDOUT_FILENO) != 0 || isatty(STDERR_FILENO) != 0);
  settings.interactive = interactive;
  settings.json = flags.json;
  settings.verbose = flags.verbose;
  settings.experts = flags.experts;
  MOIETY_ASSIGN_OR_RETURN(
      const std::unique_ptr<ChatSession> session,
      ChatSession::Create(*engine, std::move(chat_template), std::move(settings)));
  const Conversation& conversation = session->conversation();
  if (!flags.system.empty()) {
    MOIETY_RETURN_IF_ERROR(
        session->Restart([&](Conversation& c) { return c.SetSystem(flags.system); }));
  }
  if (interactive) {
    const ModelInfo& info = engine->model().info();
    session->Show(Format("{}: {}, {} parameters, context of {} tokens. /help lists commands.\n",
                         OneLine(path.string()), info.architecture, FormatCount(info.parameters),
                         info.context_length));
  }
  if (conversation.is_plain() && !flags.json) {
    session->Note(flags.chat_template.plain
                      ? "plain text: the model continues what is typed"
                      : "the model has no chat template: it continues what is typed as plain text");
  }
  const bool has_prompt = command.count("--prompt") > 0;
  MOIETY_RETURN_IF_ERROR(interactive ? ChatAtTerminal(*session, flags, has_prompt)
                                     : ChatThroughPipe(*session, flags, has_prompt));
  if (flags.experts && !flags.json) {
    if (const Result<std::string> table = session->ExpertShares(); table.ok()) {
      session->Show(*table);
    }
  }
  if (!flags.json) session->Show(ChoiceSummary(limiter.get()));
  return OkStatus();
}

}  // namespace

Action AddChat(CLI::App& app) {
  CLI::App* command =
      AddCommand(app, "chat", "Talk with a model",
                 "  moiety chat                                  the bundled model continues what "
                 "you type\n"
                 "  moiety chat path/to/Mixtral-Instruct -s \"Answer in French.\"\n"
                 "  printf 'Hello\\nAnd then?\\n' | moiety chat path/to/model --seed 1\n"
                 "  moiety chat path/to/model -p \"What is an expert?\" --json </dev/null");
  auto flags = std::make_shared<ChatFlags>();
  ChatFlags& f = *flags;
  command
      ->add_option("MODEL", f.model,
                   "Hugging Face folder or GGUF file (default: the bundled model)")
      ->type_name("");
  CLI::Option* system =
      command->add_option("-s,--system", f.system, "System prompt: what the model is told first");
  command->add_option("--system-file", f.system_file, "File with the system prompt")
      ->excludes(system);
  command->add_option("-p,--prompt", f.prompt,
                      "First message; the only one if standard input is no terminal");
  AddTemplateFlags(*command, f.chat_template);
  command
      ->add_option("-n,--predict,--max-tokens", f.max_tokens,
                   "Tokens of an answer, -1: until it ends or the context is full (default: -1, "
                   "256 without a chat template *)")
      ->check(AtLeast(-1));
  AddSamplingFlags(*command, f.sampling, "--seed");
  command
      ->add_option("--stop,-r,--reverse-prompt", f.generation.stop,
                   "End an answer before this string; repeatable")
      ->allow_extra_args(false);
  command->add_flag("--ignore-eos", f.generation.ignore_eos,
                    "Go on after the model's end-of-text token");
  command->add_flag("--experts", f.experts,
                    "Colour each token by the expert with the largest weight in choosing it, and "
                    "end with a table of expert shares");
  AddLookupFlags(*command, f.generation.lookup, {"--experts"});
  command->add_flag("--json", f.json, "Answer each line of standard input with a JSON object");
  command->add_flag("-v,--verbose", f.verbose, "Tokens, reused tokens and speed of each answer");
  command->add_flag("--no-history", f.no_history,
                    "Neither read nor write the file of what was typed");
  AddChoiceFlags(*command, f.choices);
  AddEngineFlags(*command, f.engine);
  command->footer(command->get_footer() + kSamplingFootnote);
  return [command, flags] { return Chat(*command, *flags); };
}

}  // namespace moiety::cli
