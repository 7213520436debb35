#include "cli/terminal.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <string_view>

#include "base/format.h"

namespace moiety::cli {
namespace {

volatile std::sig_atomic_t interrupted = 0;

// Twelve hues of the 256-colour palette that differ well from each other and from both backgrounds.
constexpr std::array kPalette = {33, 208, 35, 161, 141, 172, 38, 205, 107, 63, 203, 179};

bool IsTerminal(std::FILE* stream) {
  const char* term = std::getenv("TERM");
  return isatty(fileno(stream)) != 0 && term != nullptr && std::string_view(term) != "dumb";
}

}  // namespace

std::string OneLine(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    const uint8_t next = i + 1 < text.size() ? static_cast<uint8_t>(text[i + 1]) : 0;
    if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += Format("\\x{:02x}", byte);
    } else if (byte == 0xC2 && next >= 0x80 && next < 0xA0) {  // U+0080 … U+009F, also controls
      out += Format("\\x{:02x}", next);
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool ShowsColours(std::FILE* stream) {
  const char* no_color = std::getenv("NO_COLOR");
  return IsTerminal(stream) && (no_color == nullptr || *no_color == '\0');
}

std::string InExpertColour(const std::string& text, int64_t expert) {
  if (text.empty()) return text;
  return Format("\x1b[38;5;{}m{}\x1b[0m", kPalette[static_cast<size_t>(expert) % kPalette.size()],
                text);
}

std::string Dim(const std::string& text) { return "\x1b[2m" + text + "\x1b[0m"; }

void StopOnInterrupt() {
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { interrupted = 1; });
}
bool GoesOn() { return interrupted == 0; }

ProgressBar::ProgressBar(std::string label, int64_t total, std::string unit)
    : label_(std::move(label)), total_(total), unit_(std::move(unit)), shown_(IsTerminal(stderr)) {}

void ProgressBar::Update(int64_t done, const std::string& note) {
  const Clock::time_point now = Clock::now();
  if (!shown_ || (drawn_ && now - last_ < std::chrono::milliseconds(100))) return;
  last_ = now;
  drawn_ = true;
  constexpr int64_t kWidth = 30;
  const double share = total_ > 0 ? static_cast<double>(done) / static_cast<double>(total_) : 0;
  const auto filled = std::min(kWidth, static_cast<int64_t>(share * kWidth));
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const auto left = rate > 0 ? static_cast<int64_t>(static_cast<double>(total_ - done) / rate) : 0;
  const std::string line = Format("\r\x1b[K{}  [{}{}]  {:3.0f} %  {:.0f} {}/s  {}:{:02} left  {}",
                                  label_, std::string(static_cast<size_t>(filled), '#'),
                                  std::string(static_cast<size_t>(kWidth - filled), ' '),
                                  100 * share, rate, unit_, left / 60, left % 60, note);
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

void ProgressBar::Clear() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

}  // namespace moiety::cli
