#include "cli/line_editor.h"

#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "cli/input_history.h"

namespace moiety::cli {
namespace {

// What libedit's functions return.
using EditFunction = unsigned char (*)(EditLine*, wint_t);

constexpr std::wstring_view kPasteEnd = L"\x1b[201~";
// Tells the terminal to mark what is pasted, and to stop that.
constexpr const char* kMarkPastes = "\x1b[?2004h";
constexpr const char* kPlainPastes = "\x1b[?2004l";

volatile std::sig_atomic_t window_changed = 0;

// Signals that end the program. It must not leave a terminal behind that shows no keys.
constexpr std::array kEndings = {SIGTERM, SIGHUP, SIGQUIT};

// What is to be undone when one comes while a line is edited; set before the handlers are.
termios modes_before{};
bool has_modes_before = false;
int paste_fd = -1;  // where pastes are marked; -1: they are not
// What the signals did before. Some shells leave SIGQUIT ignored, nohup SIGHUP.
std::array<struct sigaction, kEndings.size()> endings_before{};

// Only what is safe in the middle of anything. SIGTTOU is blocked meanwhile: a program in the
// background would be stopped by it.
void EndWithPlainTerminal(int signal) {
  if (has_modes_before) tcsetattr(STDIN_FILENO, TCSANOW, &modes_before);
  if (paste_fd >= 0) {
    [[maybe_unused]] const ssize_t written =
        write(paste_fd, kPlainPastes, std::char_traits<char>::length(kPlainPastes));
  }
  raise(signal);  // the default action (SA_RESETHAND), when this returns
}

void WatchForEnd(int marked_fd) {
  has_modes_before = tcgetattr(STDIN_FILENO, &modes_before) == 0;
  paste_fd = marked_fd;
  struct sigaction action {};
  action.sa_handler = EndWithPlainTerminal;
  action.sa_flags = SA_RESETHAND | SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGTTOU);
  for (const int signal : kEndings) sigaddset(&action.sa_mask, signal);
  for (size_t i = 0; i < kEndings.size(); ++i) {
    sigaction(kEndings[i], nullptr, &endings_before[i]);
    if (endings_before[i].sa_handler != SIG_IGN) sigaction(kEndings[i], &action, nullptr);
  }
}

void StopWatchingForEnd() {
  for (size_t i = 0; i < kEndings.size(); ++i) {
    sigaction(kEndings[i], &endings_before[i], nullptr);
  }
}

std::wstring ToWide(std::string_view text) {
  std::wstring wide;
  while (!text.empty()) {
    const Utf8Character c = DecodeUtf8(text);
    wide += static_cast<wchar_t>(c.code_point);
    text.remove_prefix(static_cast<size_t>(c.length));
  }
  return wide;
}

std::string ToUtf8(std::wstring_view wide) {
  std::string text;
  for (const wchar_t c : wide) AppendUtf8(static_cast<uint32_t>(c), text);
  return text;
}

// libedit draws through the C library's conversions.
void UseUtf8() {
  for (const char* locale : {"", "C.UTF-8", "en_US.UTF-8"}) {
    if (std::setlocale(LC_CTYPE, locale) != nullptr &&
        std::string_view(nl_langinfo(CODESET)) == "UTF-8") {
      return;
    }
  }
}

}  // namespace

struct LineEditor::State {
  EditLine* editor = nullptr;
  HistoryW* history = nullptr;
  std::FILE* out = nullptr;
  std::vector<std::wstring> completions;
  bool marks_pastes = false;
  bool continued = false;
  bool interrupted = false;

  // From here to Leave(), the terminal is set up to edit lines: each key comes at once, and pastes
  // are marked.
  void Enter() const {
    WatchForEnd(marks_pastes ? fileno(out) : -1);
    el_wset(editor, EL_PREP_TERM, 1);
    Tell(kMarkPastes);
  }
  void Leave() const {
    Tell(kPlainPastes);
    el_wset(editor, EL_PREP_TERM, 0);
    StopWatchingForEnd();
  }

  // Writes what the terminal, not the user, is to see.
  void Tell(const char* sequence) const {
    if (marks_pastes) std::fputs(sequence, out);
    std::fflush(out);
  }

  static State& Of(EditLine* editor) {
    void* state = nullptr;
    el_wget(editor, EL_CLIENTDATA, &state);
    return *static_cast<State*>(state);
  }

  static wchar_t* Prompt(EditLine* editor) {
    static std::array<wchar_t, 5> first = {L">>> "};
    static std::array<wchar_t, 5> next = {L"... "};
    return Of(editor).continued ? next.data() : first.data();
  }

  // One character of standard input: 1, or 0 at its end. Does not depend on the locale, as the
  // terminal's bytes do not.
  static int ReadCharacter(EditLine* editor, wchar_t* character) {
    std::string bytes;
    while (true) {
      if (window_changed != 0) {
        window_changed = 0;
        el_resize(editor);
      }
      // Unlike read(), this ends when the window changes.
      pollfd input{STDIN_FILENO, POLLIN, 0};
      if (poll(&input, 1, -1) < 0 && errno == EINTR) continue;
      char byte = 0;
      const ssize_t got = read(STDIN_FILENO, &byte, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return static_cast<int>(got);
      bytes += byte;
      const Utf8Character c = DecodeUtf8(bytes);
      if (c.truncated) continue;
      *character = static_cast<wchar_t>(c.code_point);
      return 1;
    }
  }

  // Ends the line as Enter does, which leaves the cursor below all of it.
  static unsigned char Interrupt(EditLine* editor, wint_t) {
    Of(editor).interrupted = true;
    el_wpush(editor, L"\n");
    return CC_NORM;
  }

  // The keyboard's signals are off while a line is edited.
  static unsigned char Suspend(EditLine* editor, wint_t) {
    const State& state = Of(editor);
    state.Leave();
    raise(SIGTSTP);
    state.Enter();
    return CC_REDISPLAY;
  }

  // Inserts what the terminal marked as pasted. Line breaks stay; other controls do not.
  static unsigned char Paste(EditLine* editor, wint_t) {
    std::wstring text;
    wchar_t c = 0;
    wchar_t before = 0;
    while (!text.ends_with(kPasteEnd) && el_wgetc(editor, &c) == 1) {
      // \r\n is one line break.
      if (c != L'\n' || before != L'\r') text += c == L'\r' ? L'\n' : c;
      before = c;
    }
    if (text.ends_with(kPasteEnd)) text.erase(text.size() - kPasteEnd.size());
    std::erase_if(text,
                  [](wchar_t w) { return (w < 0x20 && w != L'\n' && w != L'\t') || w == 0x7F; });
    while (text.ends_with(L'\n')) text.pop_back();
    if (!text.empty() && el_winsertstr(editor, text.c_str()) != 0) return CC_ERROR;
    return CC_REFRESH;
  }

  // Completes the word that begins the line to what all candidates have in common.
  static unsigned char Complete(EditLine* editor, wint_t) {
    const LineInfoW* line = el_wline(editor);
    const std::wstring_view typed(line->buffer, static_cast<size_t>(line->cursor - line->buffer));
    std::wstring common;
    size_t count = 0;
    for (const std::wstring& word : Of(editor).completions) {
      if (typed.empty() || !word.starts_with(typed)) continue;
      if (count++ == 0) common = word + L" ";
      const auto end = std::mismatch(common.begin(), common.end(), word.begin(), word.end()).first;
      if (count > 1) common.erase(end, common.end());
    }
    if (count == 0 || common.size() == typed.size()) return CC_REFRESH_BEEP;
    return el_winsertstr(editor, common.substr(typed.size()).c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  }
};

LineEditor::LineEditor(std::unique_ptr<State> state) : state_(std::move(state)) {}

LineEditor::~LineEditor() {
  if (state_->history != nullptr) history_wend(state_->history);
  if (state_->editor != nullptr) el_end(state_->editor);
}

Result<std::unique_ptr<LineEditor>> LineEditor::Create(std::FILE* out) {
  UseUtf8();
  std::unique_ptr<LineEditor> editor(new LineEditor(std::make_unique<State>()));
  State& state = *editor->state_;
  state.out = out;
  const char* const term = std::getenv("TERM");
  state.marks_pastes = term != nullptr && std::string_view(term) != "dumb";
  state.editor = el_init("moiety", stdin, out, stderr);
  state.history = history_winit();
  if (state.editor == nullptr || state.history == nullptr) {
    return IoError("the terminal cannot be used to edit lines");
  }
  EditLine* const el = state.editor;
  HistEventW event;
  history_w(state.history, &event, H_SETSIZE, static_cast<int>(InputHistory::kMaxEntries));
  el_wset(el, EL_CLIENTDATA, &state);
  el_wset(el, EL_PROMPT, &State::Prompt);
  el_wset(el, EL_EDITOR, L"emacs");
  el_wset(el, EL_HIST, history_w, state.history);
  el_wset(el, EL_GETCFN, &State::ReadCharacter);
  const auto bind = [el](const wchar_t* key, const wchar_t* function) {
    el_wset(el, EL_BIND, key, function, nullptr);
  };
  const auto add = [el, &bind](const wchar_t* key, const wchar_t* name, EditFunction function) {
    el_wset(el, EL_ADDFN, name, name, function);
    bind(key, name);
  };
  bind(L"\\e[H", L"ed-move-to-beg");
  bind(L"\\e[F", L"ed-move-to-end");
  bind(L"\\e[1~", L"ed-move-to-beg");
  bind(L"\\e[4~", L"ed-move-to-end");
  bind(L"\\e[3~", L"ed-delete-next-char");
  bind(L"\\e[1;5C", L"em-next-word");
  bind(L"\\e[1;5D", L"ed-prev-word");
  bind(L"^R", L"em-inc-search-prev");
  bind(L"^W", L"ed-delete-prev-word");
  // The user's own keys, but not over these.
  el_source(el, nullptr);
  add(L"^C", L"moiety-interrupt", &State::Interrupt);
  add(L"^Z", L"moiety-suspend", &State::Suspend);
  add(L"^I", L"moiety-complete", &State::Complete);
  add(L"\\e[200~", L"moiety-paste", &State::Paste);
  // Ctrl-C and Ctrl-Z are keys while a line is edited, and signals while the model answers.
  // Line breaks come as they are: libedit has the terminal swap \r and \n, after which a paste with
  // \r\n could not be told from one with an empty line.
  el_wset(el, EL_SETTY, L"-d", L"-isig", L"-icrnl", L"-inlcr", nullptr);

  struct sigaction action {};
  action.sa_handler = [](int) { window_changed = 1; };
  action.sa_flags = SA_RESTART;  // output must not fail because of it
  sigaction(SIGWINCH, &action, nullptr);
  return editor;
}

void LineEditor::SetCompletions(const std::vector<std::string>& words) {
  state_->completions.clear();
  for (const std::string& word : words) state_->completions.push_back(ToWide(word));
}

void LineEditor::Remember(const std::string& text) {
  HistEventW event;
  history_w(state_->history, &event, H_ENTER, ToWide(text).c_str());
}

Result<LineSource::Line> LineEditor::ReadLine(bool continued) {
  state_->continued = continued;
  state_->interrupted = false;
  // Before the prompt is seen: libedit itself does it after that, when it reads the first key.
  state_->Enter();
  int count = 0;
  const wchar_t* const typed = el_wgets(state_->editor, &count);
  state_->Leave();
  if (typed == nullptr || count <= 0) {
    std::fputs("\n", state_->out);
    std::fflush(state_->out);
    return Line{InputKind::kEnd, ""};
  }
  std::wstring_view text(typed, static_cast<size_t>(count));
  if (text.ends_with(L'\n')) text.remove_suffix(1);
  return Line{state_->interrupted ? InputKind::kInterrupted : InputKind::kText, ToUtf8(text)};
}

}  // namespace moiety::cli
