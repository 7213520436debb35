// A program at a terminal, driven as a person would: keys are typed when what they answer to is
// there. Nothing is timed; waiting too long fails the test.
#ifndef MOIETY_TESTS_SUPPORT_TERMINAL_SESSION_H_
#define MOIETY_TESTS_SUPPORT_TERMINAL_SESSION_H_

#include <sys/types.h>
#include <termios.h>

#include <string>
#include <vector>

#include "support/process.h"

namespace moiety {

class TerminalSession {
 public:
  // Of `options`, the environment counts. argv[0] is the path of the program. The terminal is an
  // xterm of 24 lines of 80 characters, unless the environment has another TERM.
  explicit TerminalSession(const std::vector<std::string>& argv, ProcessOptions options = {});
  ~TerminalSession();  // ends the program if it still runs
  TerminalSession(const TerminalSession&) = delete;
  TerminalSession& operator=(const TerminalSession&) = delete;

  void Send(const std::string& keys);
  // Waits until `text` is shown after what the last call waited for; returns what came before it.
  std::string Expect(const std::string& text);
  // Waits for the end: the exit code, or 128 + the signal's number.
  int Wait();

  // Sends a signal to the program.
  void Signal(int signal);
  // How the terminal treats keys now; also after the program's end.
  termios Modes() const;

  // All that was shown, as it came.
  const std::string& output() const { return output_; }
  // Another size of the window.
  void Resize(unsigned short rows, unsigned short columns);

 private:
  bool ReadMore();  // false at the end, or when the time is up

  int terminal_ = -1;
  pid_t child_ = -1;
  std::string output_;
  size_t seen_ = 0;
  bool failed_ = false;  // nothing is waited for any more
};

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_TERMINAL_SESSION_H_
