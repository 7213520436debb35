// What a terminal can show, and a progress bar on it.
#ifndef MOIETY_CLI_TERMINAL_H_
#define MOIETY_CLI_TERMINAL_H_

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace moiety::cli {

// For one line: control characters, which could end it or steer the terminal, become \n, \t or
// \x1b. What is quoted from files (names, pieces, …) goes through here.
std::string OneLine(std::string_view text);

// Colours are for people: a terminal that is not "dumb", and NO_COLOR not set.
bool ShowsColours(std::FILE* stream);

// Text in the colour of an expert; experts keep their colour over runs. `bold` stays readable on
// dark and light backgrounds alike.
std::string InExpertColour(const std::string& text, int64_t expert);

// Text that steps back behind the rest.
std::string Dim(const std::string& text);

// After an interrupt (Ctrl-C) or a request to terminate, work that asks GoesOn() ends; what it was
// writing disappears.
void StopOnInterrupt();
bool GoesOn();

// A bar on standard error while something long goes on: "eval  [#####     ]  52 %  1234 tokens/s
// 0:12 left". On a terminal it is redrawn ten times a second; elsewhere nothing is shown.
class ProgressBar {
 public:
  ProgressBar(std::string label, int64_t total, std::string unit);
  ~ProgressBar() { Clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Update(int64_t done, const std::string& note = "");
  // Removes the bar, so that results can be printed.
  void Clear();

 private:
  using Clock = std::chrono::steady_clock;
  std::string label_;
  int64_t total_;
  std::string unit_;
  bool shown_;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_;
};

}  // namespace moiety::cli

#endif  // MOIETY_CLI_TERMINAL_H_
